"""The policy pack, as Pulumi starts it: ``pulumi preview --policy-pack assurance/policies``."""

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    # Pulumi runs this folder as a program of its own, so the rooms above it are not in reach, and
    # modules of ours would stand in the way of packages of the same name.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import_module("assurance.policies.server").serve()
