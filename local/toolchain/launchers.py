"""Small scripts through which the engine starts our Python programs.

The engine looks for plugins by path and name; each script says which module of
this clone is meant, and with which interpreter.
"""

import importlib.util
import json
import shlex
from collections.abc import Iterable
from pathlib import Path

from local.errors import LocalError
from local.files import write_atomically
from local.paths import Paths

PROVIDERS = {
    "azure-native": "pulumi_azure_native",
    "kubernetes": "pulumi_kubernetes",
    "random": "pulumi_random",
}
"""The resource plugins that the local cloud serves, by the package of their SDK."""

CLIENTS_WAY = ("PGHOSTADDR", "PGPORT", "PGSSLROOTCERT")
"""How clients find the servers; the cloud's own connections must not follow it."""

# What the official archive carries beside the engine, and a build from the Go module does not.
BESIDE_ENGINE = {
    "pulumi-language-python": "local.toolchain.language_host",
    "pulumi-resource-pulumi-python": "local.toolchain.dynamic_host",
}


def install_beside_engine(paths: Paths) -> None:
    """Complete the engine that was built here."""
    for name, module in BESIDE_ENGINE.items():
        _write(paths.bin / name, module, [], paths)


def install_plugins(paths: Paths) -> None:
    """Let the engine find the local cloud where it looks for the real providers."""
    for name, package in PROVIDERS.items():
        folder = paths.plugins / f"resource-{name}-v{sdk_version(package)}"
        script = folder / f"pulumi-resource-{name}"
        _write(script, "local.cloud.plugin", [name], paths, without=CLIENTS_WAY)


def sdk_version(package: str) -> str:
    """Return the plugin version that an installed SDK asks for, without importing it.

    Raises ``LocalError`` where the SDK is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise LocalError(f"{package} is not installed; run `make setup`")
    description = Path(spec.origin).with_name("pulumi-plugin.json")
    version: str = json.loads(description.read_text(encoding="utf-8"))["version"]
    return version


def _write(
    path: Path, module: str, arguments: list[str], paths: Paths, *, without: Iterable[str] = ()
) -> None:
    """Write one script, unless it is there already; never half of it."""
    command = shlex.join([str(paths.venv / "bin" / "python"), "-u", "-m", module, *arguments])
    root = shlex.quote(str(paths.project))
    lines = [
        "#!/bin/sh",
        f'PYTHONPATH={root}"${{PYTHONPATH:+:$PYTHONPATH}}"',
        # gRPC would start its threads again in every child, between fork and exec, and crash it.
        "GRPC_ENABLE_FORK_SUPPORT=false",
        "export PYTHONPATH GRPC_ENABLE_FORK_SUPPORT",
        *(f"unset {name}" for name in without),
        f'exec {command} "$@"',
    ]
    text = "\n".join(lines) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    write_atomically(path, text, mode=0o755)
