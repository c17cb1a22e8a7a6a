"""Collect what an auditor asks of the stack into a signed folder; changes nothing.

Program, deployment, live database and cluster are looked at. The folder is
.local/evidence/<stack>; index.html is the page to begin with.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.cloud.keyring import KEY
from local.commands import workloads
from local.commands.clusters import opened
from local.commands.database import variables
from local.commands.preview import diagnosis
from local.commands.session import Session
from local.engine import Engine
from local.errors import LocalError
from local.paths import Paths

SEEN = ("--refresh", "--show-sames", "--json", "--skip-plugin-pre-install")
"""A preview that says what stands, beside what the program wants."""


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 where everything that was looked at holds, 1 where something does not."""
    with session.alone() as lock:
        engine = session.engine(lock)
        outputs = engine.outputs()
        environment = _environment(engine, outputs)
        given = {
            "preview": _preview(engine),
            "key-versions": key_versions(session.paths),
            "vault-secrets": workloads.secrets_by_vault(session.paths),
        }
        return _collect(session, environment, outputs["cluster"]["namespace"], given)


def _environment(engine: Engine, outputs: Mapping[str, Any]) -> dict[str, str]:
    way = variables(engine.stack, outputs, engine.extra)
    return way | {"KUBECONFIG": str(workloads.kubeconfig(engine.paths, engine.stack, outputs))}


def _preview(engine: Engine) -> Any:
    answer = engine.on_stack("preview", *SEEN, capture=True)
    if answer.returncode:
        raise LocalError(
            f"stack {engine.stack} cannot be compared with what stands:\n{diagnosis(answer.stdout)}"
        )
    return json.loads(answer.stdout)


def _collect(
    session: Session, environment: Mapping[str, str], namespace: str, given: Mapping[str, Any]
) -> int:
    """Let the judge look, with the answers of engine and cloud in files that only we can read."""
    with tempfile.TemporaryDirectory(prefix="engram-evidence-") as folder:
        files = [
            word
            for name, document in given.items()
            for word in (f"--{name}", _written(Path(folder) / f"{name}.json", document))
        ]
        command = [
            *(sys.executable, "-m", "assurance", "evidence", "collect", *files),
            *("--database", "--namespace", namespace),
            *("--out", str(session.paths.local / "evidence" / session.stack)),
            *("--signing-key", str(session.paths.local / "signing-key.pem")),
            *(("--json",) if session.as_json else ()),
        ]
        done = subprocess.run(
            command, env=os.environ | dict(environment), cwd=session.paths.project, check=False
        )
    return done.returncode


def _written(file: Path, document: Any) -> str:
    file.write_text(json.dumps(document), encoding="utf-8")
    return str(file)


def key_versions(paths: Paths) -> list[dict[str, Any]]:
    """Return all versions of all keys of the local cloud, as ``az`` would list them."""
    with opened(paths.cloud) as world:
        return [
            {
                "kid": f"{key.outputs['keyUri']}/{version['version']}",
                "attributes": dict(_attributes(version)),
            }
            for key in world.of_type(KEY)
            for version in world.private(key.arm_id)["versions"]
        ]


def _attributes(version: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "enabled", version["enabled"]
    for name in ("created", "expires"):
        if name in version:
            yield name, datetime.fromtimestamp(version[name], UTC).isoformat()
