"""What an operator does to a live database, each a command that can be repeated."""
