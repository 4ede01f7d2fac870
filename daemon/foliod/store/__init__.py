"""PostgreSQL: ours or another, its schema, the named queries, and what is written through them."""
