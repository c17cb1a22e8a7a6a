"""Rotation of the keys that fields are encrypted with, while everything goes on.

A new key is published as ``accepted``.  When every service has it, it becomes ``primary`` and the
one before ``accepted``: both are read, the new one is written.  Then every row is encrypted again,
in short transactions; a row that somebody changed between its reading and its writing is left for
the next pass, so no write is lost.  When no row is left under the old key, and every field has been
decrypted as a proof, the old key is ``retired``: it still reads, for the sake of backups, until
``--purge`` drops it.

How far a rotation is stands in two places that outlive any process: the states in the vault's
document, and the key of each row.  So it can be killed at any point and is resumed by the same
order.
"""
