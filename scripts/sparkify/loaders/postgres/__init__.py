"""The raw tables in PostgreSQL."""
