"""The schema engine: desired state in, SQL steps out; never a migration file to edit."""
