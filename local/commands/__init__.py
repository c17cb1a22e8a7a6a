"""What ``python -m local`` can do; one module a command."""
