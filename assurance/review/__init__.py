"""What a pull request would do to every environment, in one comment."""
