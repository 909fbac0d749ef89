"""Read raw files and check their records."""
