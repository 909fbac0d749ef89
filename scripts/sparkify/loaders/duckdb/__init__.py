"""The raw tables in DuckDB."""
