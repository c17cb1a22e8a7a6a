"""Proof that the rules notice: what they guard is taken away, and they must say so."""
