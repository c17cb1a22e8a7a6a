"""The tools side by side: how each is had, and the commands by which its own manual uses it."""
