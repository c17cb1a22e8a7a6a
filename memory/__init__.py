"""The data plane: what Engram keeps in PostgreSQL.  It knows no Pulumi."""
