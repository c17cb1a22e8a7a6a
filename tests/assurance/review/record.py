"""Records the four pull requests anew: ``python -m tests.assurance.review.record --help``.

Each environment is brought up once, from a commit of the working tree in a copy of it, and every
pull request is previewed there by the real engine, as ``make review`` does.  What is kept is what
the engine said, without the resources that nothing is read of.  Takes some minutes a stack.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.commands import review
from local.review import scratch, sources
from local.review.scratch import Base

PROJECT = Path(__file__).parents[3]
RECORDED = Path(__file__).with_name("recorded")
STACKS = ("dev", "test", "uat", "prod")
KEPT_TYPES = (
    "pulumi:pulumi:Stack",
    "azure-native:dbforpostgresql:Server",
    "random:index/randomString:RandomString",
)
KEPT_OUTPUTS = ("pulumi-python:dynamic/memory:VectorSchema", *KEPT_TYPES)
KEPT_FIELDS = ("urn", "type", "custom", "inputs", "protect")
UNREAD_INPUTS = ("__provider", "state")
DAY = "2026-11-23"
COMMIT = "0" * 40

Edit = Callable[[Path], None]


def _replaced(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text, f"{file.name} has no {before!r} any more"
    file.write_text(text.replace(before, after, 1), encoding="utf-8")


def larger_servers(tree: Path) -> None:
    """Give acceptance and production the next size."""
    _replaced(tree / "Pulumi.uat.yaml", "sku: Standard_D2s_v3", "sku: Standard_D4s_v3")
    _replaced(tree / "Pulumi.prod.yaml", "sku: Standard_D4s_v3", "sku: Standard_D8s_v3")


def shorter_vectors(tree: Path) -> None:
    """Shorten the embeddings everywhere."""
    for stack in STACKS:
        _replaced(tree / f"Pulumi.{stack}.yaml", "dimensions: 1536", "dimensions: 1024")


def optional_tls(tree: Path) -> None:
    """Let clients connect without TLS, and with an older one."""
    parameters = tree / "components" / "server_parameters.py"
    for name, strict, lax in (
        ("require_secure_transport", "on", "off"),
        ("ssl_min_protocol_version", "TLSv1.3", "TLSv1.2"),
    ):
        _replaced(parameters, f'"{name}": "{strict}"', f'"{name}": "{lax}"')


def words_only(tree: Path) -> None:
    """Add a sentence to the front page."""
    readme = tree / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8") + "\nA sentence.\n", encoding="utf-8")


CASES: dict[str, Edit] = {
    "sku": larger_servers,
    "dimension": shorter_vectors,
    "tls": optional_tls,
    "docs": words_only,
}


def main() -> int:
    """Record the cases that the command line names, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="default: all")
    parser.add_argument("--only", nargs="+", choices=STACKS, default=STACKS, help="default: all")
    arguments = parser.parse_args()
    chosen = {name: CASES[name] for name in arguments.cases or CASES}
    with scratch.temporary_folder("engram-recording-") as place:
        commit = committed(place / "base")
        trees = {name: _tree(place / name, place / "base", edit) for name, edit in chosen.items()}
        engine = [name for name in trees if sources.engine_needed(_files(trees[name], commit))]
        for name, tree in trees.items():
            _request(name, _files(tree, commit), STACKS if name in engine else ())
        with scratch.unpacked(place / "base", commit) as base:
            for stack in arguments.only:
                _record(base, stack, {name: trees[name] for name in engine})
    return 0


def _record(base: Base, stack: str, trees: dict[str, Path]) -> None:
    with scratch.cloud(PROJECT) as cloud:
        failure = review.bring_up(base, stack, cloud)
        for name, tree in trees.items():
            folder = RECORDED / name / stack
            review.preview(tree, stack, cloud, folder, failure)
            trim(folder)
            print(f"{name}: {stack}", file=sys.stderr)  # noqa: T201 - for whoever waits


def committed(folder: Path) -> str:
    """Copy the working tree, commit it there, and return the commit."""
    listed = _git(PROJECT, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    _with_tools(folder)
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    _git(folder, "-c", "user.name=r", "-c", "user.email=r@r", "commit", "--quiet", "-m", "base")
    return _git(folder, "rev-parse", "HEAD").strip()


def _with_tools(folder: Path) -> None:
    (folder / ".local").mkdir()
    for name in ("venv", "policies"):
        if (PROJECT / ".local" / name).exists():
            (folder / ".local" / name).symlink_to(PROJECT / ".local" / name)


def _tree(folder: Path, base: Path, edit: Edit) -> Path:
    shutil.copytree(base, folder, symlinks=True)
    edit(folder)
    return folder


def _files(tree: Path, commit: str) -> list[str]:
    return sources.changed_files(tree, commit)


def _git(folder: Path, *words: str) -> str:
    answer = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
    )
    return answer.stdout


def _request(name: str, files: list[str], stacks: tuple[str, ...]) -> None:
    folder = RECORDED / name
    folder.mkdir(parents=True, exist_ok=True)
    request = {"base": "main", "base_commit": COMMIT, "files": files, "stacks": stacks, "on": DAY}
    _write(folder / "request.json", request)


def trim(folder: Path) -> None:
    """Leave out of a recording what nothing is read of; the rest stays as the engine wrote it."""
    file = folder / "preview.json"
    if file.exists():
        preview = json.loads(file.read_text(encoding="utf-8"))
        steps = [_trimmed(step) for step in preview["steps"] if _is_read(step)]
        _write(file, {"steps": steps, "changeSummary": preview["changeSummary"]})
    outputs = folder / "outputs.json"
    if outputs.exists():
        known = json.loads(outputs.read_text(encoding="utf-8"))
        _write(outputs, {key: known[key] for key in ("postgres", "sizing") if key in known})


def _is_read(step: dict[str, Any]) -> bool:
    state = step.get("newState") or step.get("oldState") or {}
    return step["op"] != "same" or state["type"] in KEPT_TYPES or bool(state.get("protect"))


def _trimmed(step: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in step.items() if key not in {"oldState", "newState"}}
    for key in ("oldState", "newState"):
        if state := step.get(key):
            kept[key] = _state(state, of_use=step["op"] != "same")
    return kept


def _state(state: dict[str, Any], *, of_use: bool) -> dict[str, Any]:
    kept = {key: state[key] for key in KEPT_FIELDS if key in state}
    if not of_use and state["type"] not in KEPT_TYPES:
        kept.pop("inputs", None)
    if "inputs" in kept:
        kept["inputs"] = {k: v for k, v in kept["inputs"].items() if k not in UNREAD_INPUTS}
    if state["type"] in KEPT_OUTPUTS and "outputs" in state:
        kept["outputs"] = _outputs(state)
    return kept


def _outputs(state: dict[str, Any]) -> dict[str, Any]:
    read = {"pulumi:pulumi:Stack": ("postgres", "sizing")}.get(state["type"])
    outputs: dict[str, Any] = state["outputs"]
    return {key: outputs[key] for key in read if key in outputs} if read else outputs


def _write(file: Path, document: Any) -> None:
    file.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
