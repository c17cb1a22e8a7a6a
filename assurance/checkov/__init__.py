"""What checkov, an outside judge, finds in the manifests, and what we answer."""
