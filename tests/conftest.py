"""What must be so before the first test module is imported."""

import os
import sys

import hypothesis
import pytest

# The same examples in every run: a change is judged by what it changes.  New ones are looked for
# by --hypothesis-profile=explore.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.load_profile("same")

# gRPC's fork handlers crash now and then between fork and exec, when a process with a running
# gRPC server starts another one under another user; no test forks without exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")


@pytest.fixture(autouse=True)
def _whole_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what a provider shortens in its process, where ours goes on: Pulumi reads it too.

    Under a limit of 0 Pulumi's ``register_resource`` raises half-way, and nobody's outputs end.
    """
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)
