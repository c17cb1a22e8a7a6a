"""A server that is too small: what is possible, what it takes, and doing it (``tools.resize``)."""
