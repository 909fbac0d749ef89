"""The raw tables in Spark."""
