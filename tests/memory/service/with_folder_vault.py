"""The service's program with a vault that is a folder, which ``TEST_VAULT`` names."""

import os
import sys
from pathlib import Path

from memory.service import sealing
from memory.service.__main__ import main
from tests.memory.encryption.folder_vault import FolderVault

if __name__ == "__main__":
    # The one thing that differs.
    vars(sealing)["AzureVault"] = lambda: FolderVault(Path(os.environ["TEST_VAULT"]))
    sys.exit(main())
