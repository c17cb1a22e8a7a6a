"""The SDK's host of dynamic providers, which ends when its engine is killed.

The SDK's own goes on serving nobody for ever, and holds what it inherited: the
lock that says that a command works on the stack.  What it had in hand is a
session of PostgreSQL, which rolls back.
"""

import runpy

from local.process import exit_with_parent

if __name__ == "__main__":
    exit_with_parent()
    runpy.run_module("pulumi.dynamic", run_name="__main__")
