"""What an auditor asks, what was seen of it, and the folder of evidence that says so."""
