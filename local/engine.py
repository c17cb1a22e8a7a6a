"""The Pulumi engine, in a world of its own.

Nothing of the user's own Pulumi is read or written: home, backend and passphrase
are ours, and no variable of theirs reaches the engine.  Plugins are found in our
home only, and none is ever downloaded.
"""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import yaml

from local.errors import LocalError
from local.files import create_once, write_atomically
from local.paths import OVERRIDE, Paths
from local.process import communicate

PREVIEWED = ("--yes", "--skip-plugin-pre-install")
"""How a command runs that a preview may stop: without a question, with the plugins there are."""

UNATTENDED = (*PREVIEWED, "--skip-preview")
"""How every other command that changes something runs: at once."""

FOREIGN = ("PULUMI_", "ARM_", "AZURE_", "PG")
"""Variables of the user that could redirect the engine, a provider or libpq."""

LOOPBACK = ("127.0.0.1", "localhost")

PULUMI_ENVIRONMENT = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
    # A plugin on PATH would win over the local cloud.
    "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    # Where the user keeps Python from writing bytecode, every run would compile the SDK anew.
    "PYTHONDONTWRITEBYTECODE": "",
}


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One stack of one program, as the engine sees it."""

    executable: Path
    paths: Paths
    stack: str
    program: Path | None = None
    """The folder of Pulumi.yaml; the clone unless a test brings its own."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further variables, such as libpq's way to the servers."""
    inherited: tuple[int, ...] = ()
    """Descriptors that the engine and its plugins keep open, such as the stack's lock."""
    output: TextIO | None = None
    """Where the engine's words go; our own stdout unless a machine reads that."""

    @property
    def folder(self) -> Path:
        """Where the program and its stack files are."""
        return self.program or self.paths.project

    @property
    def project(self) -> str:
        """The project's name, a part of where the backend keeps things."""
        text = (self.folder / "Pulumi.yaml").read_text(encoding="utf-8")
        name: str = yaml.safe_load(text)["name"]
        return name

    @property
    def config_file(self) -> Path:
        """The copy of the stack file that the engine reads, and may write to."""
        return self.paths.config / f"Pulumi.{self.stack}.yaml"

    @property
    def state_file(self) -> Path:
        """The stack's checkpoint in the ``file://`` backend."""
        return self.paths.state / ".pulumi" / "stacks" / self.project / f"{self.stack}.json"

    @property
    def lock_folder(self) -> Path:
        """Where the backend notes who is working on the stack."""
        root = self.paths.state / ".pulumi" / "locks"
        return root / "organization" / self.project / self.stack

    def environment(self) -> dict[str, str]:
        """Return the variables of an engine process, free of the user's own Pulumi."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
        path = os.pathsep.join([str(self.executable.parent), inherited.get("PATH", os.defpath)])
        return {
            **inherited,
            **PULUMI_ENVIRONMENT,
            "PATH": path,
            "PULUMI_HOME": str(self.paths.pulumi_home),
            # The files of metadata beside each state are not written atomically, and nobody
            # needs them: an engine that is killed over one could not read its state again.
            "PULUMI_BACKEND_URL": f"{self.paths.state.absolute().as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.paths.passphrase),
            OVERRIDE: str(self.paths.local),
            # A resource without `provider=` would be made in the user's own cluster.
            "KUBECONFIG": os.devnull,
            "no_grpc_proxy": not_proxied(inherited),
            **self.extra,
        }

    def run(
        self, arguments: Sequence[str], *, capture: bool = False, given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run the engine in the program's folder; its output is shown unless captured.

        ``given`` is its whole input, so that it never waits for a person. A failure is the
        caller's to judge by the return code; at Ctrl-C it saves its state before we end.
        """
        with subprocess.Popen(
            [self.executable, *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if capture else self.output,
            stderr=subprocess.PIPE if capture else None,
            pass_fds=self.inherited,
            text=True,
        ) as process:
            out, err = communicate(process, given)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def on_stack(
        self, *arguments: str, capture: bool = False, given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the engine on this stack with its configuration; see ``run``."""
        return self.run(
            [*arguments, "--stack", self.stack, "--config-file", str(self.config_file)],
            capture=capture,
            given=given,
        )

    def prepare(self) -> None:
        """Make backend, passphrase, configuration and stack ready; all of it repeatable.

        Raises ``LocalError`` where the stack has no file, or the engine refuses it.
        """
        self.paths.state.mkdir(parents=True, exist_ok=True)
        create_once(self.paths.passphrase, secrets.token_urlsafe(32))
        self._copy_config()
        if not self.state_file.exists():
            self._create_stack()
            self._copy_config()

    def deployment(self) -> dict[str, Any]:
        """Return the stack's last checkpoint; empty where there is none."""
        if not self.state_file.exists():
            return {}
        checkpoint = json.loads(self.state_file.read_text(encoding="utf-8"))
        latest: dict[str, Any] = checkpoint["checkpoint"].get("latest") or {}
        return latest

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs with their secrets in clear; keep them in memory only."""
        command = ["stack", "output", "--json", "--show-secrets", "--stack", self.stack]
        answer = self.run(command, capture=True)
        if answer.returncode:
            raise LocalError(f"the outputs of {self.stack} cannot be read:\n{answer.stderr}")
        outputs: dict[str, Any] = json.loads(answer.stdout)
        return outputs

    @property
    def runs(self) -> int:
        """How many runs have begun to change the stack; a preview that fails is none."""
        return len(self._history())

    def last_changes(self) -> dict[str, int]:
        """Return how many resources the last run created, updated, left as they were ..."""
        entries = self._history()
        if not entries:
            return {}
        entry = json.loads(entries[-1].read_text(encoding="utf-8"))
        changes: dict[str, int] = entry.get("resourceChanges") or {}
        return changes

    def _history(self) -> list[Path]:
        folder = self.paths.state / ".pulumi" / "history" / self.project / self.stack
        return sorted(folder.glob("*.history.json"))

    def _copy_config(self) -> None:
        tracked = self.folder / f"Pulumi.{self.stack}.yaml"
        if not tracked.exists():
            known = sorted(path.name.split(".")[1] for path in self.folder.glob("Pulumi.*.yaml"))
            raise LocalError(
                f"stack {self.stack!r} has no file {tracked.name}; stacks here: {', '.join(known)}"
            )
        old = self.config_file.read_text(encoding="utf-8") if self.config_file.exists() else ""
        salt = self._salt() or salt_of(old)
        # What another salt encrypted, nobody can read any more.
        kept = secrets_of(old) if salt == salt_of(old) else {}
        text = localised(tracked.read_text(encoding="utf-8"), salt, kept)
        if text != old:
            write_atomically(self.config_file, text)

    def _salt(self) -> str | None:
        """The salt that the state was encrypted with; the copy may have been lost."""
        state = self.deployment().get("secrets_providers", {}).get("state", {})
        salt: str | None = state.get("salt")
        return salt

    def _create_stack(self) -> None:
        """Create the stack from the folder of copies, where the engine may write its salt."""
        project_file = (self.folder / "Pulumi.yaml").read_text(encoding="utf-8")
        write_atomically(self.paths.config / "Pulumi.yaml", project_file)
        answer = self.run(["-C", str(self.paths.config), "stack", "init", self.stack], capture=True)
        if answer.returncode:
            raise LocalError(f"the engine cannot create stack {self.stack}:\n{answer.stderr}")


ENCRYPTION_KEYS = ("encryptionsalt:", "encryptedkey:", "secretsprovider:")


SECRET = re.compile(r"^ +\S+:\n +secure: \S+\n?", re.MULTILINE)
"""A value that the stack's own encryption guards, as the engine writes it."""


def localised(tracked: str, salt: str | None, kept: Mapping[str, str] | None = None) -> str:
    """Return a stack file's text with the local encryption in place of its own.

    Secrets that are ``kept``, encrypted here before, take the place of the file's: those only its
    own passphrase or vault opens.
    """
    secrets = "".join(f"  {key}:\n    secure: {value}\n" for key, value in (kept or {}).items())
    text = SECRET.sub("", tracked).replace("config:\n", f"config:\n{secrets}", 1)
    lines = [line for line in text.splitlines() if not line.startswith(ENCRYPTION_KEYS)]
    if salt:
        lines.append(f"encryptionsalt: {salt}")
    return "\n".join(lines) + "\n"


def secrets_of(config: str) -> dict[str, str]:
    """Return the encrypted values of a stack file's text by their keys."""
    values = (yaml.safe_load(config) or {}).get("config") or {}
    return {
        key: value["secure"]
        for key, value in values.items()
        if isinstance(value, dict) and set(value) == {"secure"}
    }


def salt_of(config: str) -> str | None:
    """Return the ``encryptionsalt`` of a stack file's text."""
    for line in config.splitlines():
        key, _, value = line.partition(": ")
        if key == "encryptionsalt":
            return value.strip()
    return None


def not_proxied(environment: Mapping[str, str]) -> str:
    """Return the hosts that gRPC reaches directly: the user's, and this machine.

    Engine and plugins talk over loopback, and gRPC would send even that to a proxy.  Its
    own variable hides the general one, whose hosts are therefore repeated.
    """
    names = ("no_grpc_proxy", "no_proxy", "NO_PROXY")
    theirs = next((environment[name] for name in names if environment.get(name)), "")
    return ",".join(filter(None, [theirs, *LOOPBACK]))
