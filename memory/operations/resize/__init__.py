"""A larger server: the door to the project's own tool, with an entry in the books."""
