"""Memories end when the customer's policy says so: by type, by sensitivity, by age."""
