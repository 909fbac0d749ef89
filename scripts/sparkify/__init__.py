"""The library of the commands in scripts/. It does not parse arguments."""
