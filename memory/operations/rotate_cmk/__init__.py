"""A new version of the customer's key, and the proof that the server follows it."""
