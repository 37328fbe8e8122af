"""Records on any storage, queryable: `Record`, `Query` and the `Database` contract."""
