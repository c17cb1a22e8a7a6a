"""Erases what is remembered of a person or of a session, everywhere, and certifies it."""
