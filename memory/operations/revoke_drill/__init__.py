"""What a revoked key does: the server goes, and comes back, and both are timed."""
