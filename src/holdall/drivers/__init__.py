"""One storage each, behind the `Store` contract. Third-party libraries are imported here, on first use."""
