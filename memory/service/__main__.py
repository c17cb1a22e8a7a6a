"""``python -m memory.service``: serve as the environment says."""

import os
import sys

from memory.encryption.errors import EncryptionError
from memory.schema.connection import from_environment
from memory.schema.errors import SchemaError
from memory.service.errors import SettingsRefused
from memory.service.logs import configure
from memory.service.server import serve
from memory.service.settings import Settings


def main() -> int:
    """Return 0 after an orderly end, 2 for an environment that cannot be served in."""
    try:
        settings = Settings.from_environment(os.environ)
        endpoint = from_environment()
        configure(settings.log_level)
        serve(settings, endpoint)
    except (SettingsRefused, SchemaError, EncryptionError, OSError, ValueError) as error:
        sys.stderr.write(f"memory service: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
