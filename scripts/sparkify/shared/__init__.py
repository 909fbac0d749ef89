"""What the parts of the library share: errors, quoting, .env, AWS clients, answers."""
