"""What a raw record is, and where it comes from."""
