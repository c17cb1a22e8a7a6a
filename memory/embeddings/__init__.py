"""Embeddings from an OpenAI-compatible endpoint: within its limits, and within a budget."""
