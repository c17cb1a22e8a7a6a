"""The embedded default: Azure at home, and the commands that run it."""
