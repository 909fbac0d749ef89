"""The library of the commands in scripts/: nothing in it parses arguments."""
