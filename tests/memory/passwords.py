"""The roles' passwords in tests; without the fixtures, so that a small process can know them."""

from memory.schema.passwords import Passwords

PASSWORDS: Passwords = {"migrator": "m-secret-1", "app": "a-secret-1", "reader": "r-secret-1"}
