"""Proves what the mission promises of a live memory: its schema, its encryption, its books."""
