"""Pulumi's gRPC messages without Pulumi's SDK.

The messages live inside the SDK, whose import takes a second that every plugin
of every ``up`` would pay for; they need nothing of it. A process that uses the
SDK anyway (a test) has imported it before, and gets the real packages.
"""

import importlib.util
import sys
from types import ModuleType


def _stand_in(name: str) -> None:
    """Make a package importable without running its ``__init__``."""
    if name in sys.modules:
        return
    parent, _, last = name.rpartition(".")
    if parent:
        folders = [f"{folder}/{last}" for folder in sys.modules[parent].__path__]
    else:
        spec = importlib.util.find_spec(name)
        folders = list(spec.submodule_search_locations or ()) if spec else []
    package = ModuleType(name)
    package.__path__ = folders
    sys.modules[name] = package


_PACKAGES = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")
_OWN = [name for name in _PACKAGES if name not in sys.modules]
for _name in _PACKAGES:
    _stand_in(_name)

from pulumi.runtime.proto import (  # noqa: E402 - after the stand-ins
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

for _name in _OWN:  # so that a later import of the SDK finds the SDK
    del sys.modules[_name]

__all__ = [
    "engine_pb2",
    "engine_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "status_pb2",
]
