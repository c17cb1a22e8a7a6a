"""A restore that is proven: a server of a backup, looked at, and removed again."""
