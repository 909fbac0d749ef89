"""Generate the sample data."""
