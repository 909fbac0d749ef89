"""The raw tables in Redshift."""
