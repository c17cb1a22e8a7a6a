"""Declared resources in languages that judges who do not know Pulumi can read."""
