"""Prediction against a real server: what is there, and synthetic rows where nothing is."""
