"""Shared errors, quoting, progress, .env, AWS clients and answers."""
