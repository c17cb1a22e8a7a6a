"""The SDK's host of policy packs, which ends when its engine is killed.

As ``dynamic_host``, for the pack: the language host is its parent, and ends with the engine.
"""

import runpy

from local.process import exit_with_parent

if __name__ == "__main__":
    exit_with_parent()
    runpy.run_module("pulumi.policy", run_name="__main__")
