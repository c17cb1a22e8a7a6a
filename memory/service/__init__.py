"""The memory service: HTTP before the table of memories, and nothing else before it."""
