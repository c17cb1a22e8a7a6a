"""A program of plain manifests, run by the real engine against one cluster."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from local.cloud.arm import Body
from local.engine import Engine
from local.paths import Paths
from local.toolchain import installer
from local.toolchain.report import Report

PROJECT = Path(__file__).parents[4]
PULUMI_YAML = f"""\
name: manifests
runtime:
  name: python
  options: {{toolchain: pip, virtualenv: {Path(sys.prefix)}}}
"""
# The SDK's own classes do no more than this, and take seconds to import.
PROGRAM = '''\
"""Declares what plan.json says."""
import json
import pathlib
import pulumi


class Object(pulumi.CustomResource):
    __fieldManager: pulumi.Output[str]


class Random(pulumi.CustomResource):
    hex: pulumi.Output[str]


plan = json.loads(pathlib.Path("plan.json").read_text())
kubeconfig = pulumi.Output.secret(pathlib.Path(plan["kubeconfig"]).read_text())
if plan["kubeconfig_later"]:
    first = Random("random:index/randomId:RandomId", "first", {"byteLength": 4, "hex": None})
    text = pathlib.Path(plan["kubeconfig"]).read_text()
    kubeconfig = pulumi.Output.secret(first.hex.apply(lambda _: text))
provider = pulumi.ProviderResource(
    "kubernetes", "cluster", {"kubeconfig": kubeconfig, **plan["provider"]}
)
made = {}
for name, (token, manifest, options) in plan["objects"].items():
    after = [made[each] for each in options.pop("depends_on", [])]
    timeout = options.pop("timeout", None)
    for path in options.pop("secret", []):
        *way, last = path.split(".")
        inner = manifest
        for step in way:
            inner = inner[step]
        inner[last] = pulumi.Output.secret(inner[last])
    opts = pulumi.ResourceOptions(
        provider=None if plan["forgotten"] else provider,
        depends_on=after,
        custom_timeouts=timeout and pulumi.CustomTimeouts(create=timeout, update=timeout),
        **options,
    )
    made[name] = Object(f"kubernetes:{token}", name, manifest, opts)
'''


@dataclass
class Stack:
    """One stack of the program; every run is a run of the engine."""

    folder: Path
    kubeconfig: Path
    provider: Body = field(default_factory=dict)
    objects: dict[str, tuple[str, Body, Body]] = field(default_factory=dict)
    kubeconfig_later: bool = False
    forgotten: bool = False
    """Whether the objects name no provider."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "Pulumi.yaml").write_text(PULUMI_YAML)
        (self.folder / "Pulumi.test.yaml").write_text("config: {}\n")
        (self.folder / "__main__.py").write_text(PROGRAM)
        paths = Paths(project=PROJECT, local=self.folder / "local")
        self.engine = Engine(
            executable=installer.ensure(paths, Report(Console(quiet=True))),
            paths=paths,
            stack="test",
            program=self.folder,
        )
        self.engine.prepare()

    def declare(self, name: str, token: str, manifest: Body, **options: Any) -> None:
        """Put an object into the program, or change it."""
        self.objects[name] = (token, manifest, options)

    def run(self, command: str, *flags: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the engine; success is the caller's to judge."""
        self.write_plan()
        yes = () if command == "preview" else ("--yes", "--skip-preview")
        return self.engine.on_stack(command, *yes, *flags, capture=True)

    def write_plan(self) -> None:
        """Write down what the program declares."""
        plan = {
            "kubeconfig": str(self.kubeconfig),
            "kubeconfig_later": self.kubeconfig_later,
            "provider": self.provider,
            "forgotten": self.forgotten,
            "objects": self.objects,
        }
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def succeed(self, command: str, *flags: str) -> str:
        """Run a command that must succeed, and return its words."""
        done = self.run(command, *flags)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fail(self, command: str, *flags: str) -> str:
        """Run a command that must fail, and return its words."""
        done = self.run(command, *flags)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def up(self) -> dict[str, int]:
        """Bring the objects up, and return how many were made, changed, left alone."""
        self.succeed("up")
        return self.engine.last_changes()

    def state(self, name: str) -> dict[str, Any]:
        """Return what the state keeps of an object."""
        for resource in self.engine.deployment().get("resources", []):
            if resource["urn"].endswith(f"::{name}"):
                return dict(resource)
        raise KeyError(name)
