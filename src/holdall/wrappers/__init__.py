"""Store in, Store out: each wrapper adds one thing and forwards every verb."""
