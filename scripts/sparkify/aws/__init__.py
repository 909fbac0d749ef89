"""Clients, stacks and templates of AWS."""
