"""``python -m tools.helm_values``: the deployment strategy's Helm values as a stack file.

The stack file is the environment's tracked one with the values in it.  Every key that has no
meaning here is named, with the reason; no password is ever repeated.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml

from stacks.settings import SettingsError, validate
from stacks.settings.mistakes import AZURE_KEYS, Mistake
from stacks.settings.model import Environment
from tools.helm_translation import Translation, get, translate

ROOT = Path(__file__).parent.parent
SETTINGS = "engram:settings"
OK, MISTAKEN, UNREADABLE = 0, 1, 2
SECRETS = {"postgres": "postgresAdminPassword", "cluster": "kubeconfig"}
"""What an existing part needs beside the settings; taken for granted, and reminded of."""

EPILOG = """\
placeholders like ${CUSTOMER_POSTGRES_HOST} are filled with --set; one that is left keeps the
base's value.  What the values file cannot tell is given with --with, e.g. for a customer's server:

  python -m tools.helm_values values-production.yaml --environment prod \\
    --set CUSTOMER_POSTGRES_HOST=db.customer.example \\
    --with postgres.ca_file=ca/customer.pem --with 'postgres.cidrs=[10.9.8.0/28]' \\
    --with postgres.admin_login=engram_admin --with postgres.user_connections=400

exit codes: 0 written, 1 mistakes, 2 a file cannot be read"""


class UnreadableError(Exception):
    """A file that is not there, or is no YAML of the expected form."""


class _StrictLoader(yaml.SafeLoader):
    """A key that stands twice would lose its first value without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            line = node.start_mark.line + 1
            raise UnreadableError(f"{', '.join(twice)} stands twice in the object of line {line}")
        return super().construct_mapping(node, deep=deep)


def parser() -> argparse.ArgumentParser:
    """Return the parser; the reference page is made from it."""
    top = argparse.ArgumentParser(
        prog="python -m tools.helm_values",
        description=__doc__.split("\n\n", 1)[1] if __doc__ else None,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("values", type=Path, help="the Helm values file")
    top.add_argument(
        "--environment", required=True, choices=get_args(Environment), help="what it is for"
    )
    top.add_argument(
        "--base", type=Path, help="the stack file to start from; default: the environment's own"
    )
    top.add_argument(
        "--output", default="-", metavar="FILE", help="where to write it; - is standard output"
    )
    top.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=TEXT",
        help="what a placeholder ${NAME} stands for; never a password",
    )
    top.add_argument(
        "--with",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH=YAML",
        help="a setting that the values file cannot tell, e.g. postgres.ca_file=ca/customer.pem",
    )
    top.add_argument("--json", action="store_true", help="report as JSON, the stack file in it")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Translate; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        values = _loaded(options.values)
        base = _loaded(options.base or ROOT / f"Pulumi.{options.environment}.yaml")
        settings = get(base, "config") or {}
        done = translate(
            values,
            settings.get(SETTINGS) or {},
            _pairs(options.set),
            {path: yaml.safe_load(text) for path, text in _pairs(options.overrides).items()},
        )
    except (UnreadableError, yaml.YAMLError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return UNREADABLE
    done.mistakes += _judged(options.environment, settings, done)
    file = None if done.mistakes else _stack_file(base, done)
    if file is not None and options.output != "-":
        Path(options.output).write_text(file, encoding="utf-8")
    _report(options, done, file)
    return MISTAKEN if done.mistakes else OK


def _loaded(path: Path) -> Mapping[str, Any]:
    loaded = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)  # noqa: S506 - a SafeLoader
    if not isinstance(loaded, Mapping):
        raise UnreadableError(f"{path}: found no object; allowed: YAML with keys")
    return loaded


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UnreadableError("--set and --with: found no '='; allowed: NAME=VALUE")
        pairs[name] = value
    return pairs


def _judged(environment: str, config: Mapping[str, Any], done: Translation) -> list[Mistake]:
    """Return what our own settings say, each mistake with the key that it came from."""
    azure = {name: config.get(key) for name, key in AZURE_KEYS.items()}
    given = {
        secret: True
        for part, secret in SECRETS.items()
        if get(done.settings, f"{part}.kind") == "existing"
    }
    try:
        validate(environment, done.settings, azure, secrets=given)
    except SettingsError as error:
        origins = {path: key for key, path, _ in done.moved}
        return [_traced(mistake, origins.get(mistake.path)) for mistake in error.mistakes]
    return []


def _traced(mistake: Mistake, key: str | None) -> Mistake:
    if key is None:
        return mistake
    found = f"{mistake.found} (from {key})"
    return Mistake(mistake.path, found, mistake.allowed, mistake.remedy)


def _stack_file(base: Mapping[str, Any], done: Translation) -> str:
    config = {**base["config"], SETTINGS: done.settings}
    head = (
        "# Made by `python -m tools.helm_values`; the tracked stack file explains each setting.\n"
    )
    body: str = yaml.safe_dump({**base, "config": config}, sort_keys=False, allow_unicode=True)
    return head + body


def _report(options: argparse.Namespace, done: Translation, file: str | None) -> None:
    """The file goes to standard output, what is said about it to standard error."""
    if options.json:
        sys.stdout.write(json.dumps(_plain(options, done, file), indent=2) + "\n")
        return
    sys.stderr.write("\n".join(_lines(done)) + "\n")
    if file is not None and options.output == "-":
        sys.stdout.write(file)


def _plain(options: argparse.Namespace, done: Translation, file: str | None) -> dict[str, Any]:
    return {
        "environment": options.environment,
        "moved": [{"key": k, "path": p, "value": v} for k, p, v in done.moved],
        "without_meaning": [{"key": k, "why": w} for k, w in done.without_meaning],
        "unresolved": [{"key": k, "placeholder": p} for k, p in done.unresolved],
        "reminders": done.reminders,
        "mistakes": [
            {"path": m.path, "found": str(m.found), "allowed": m.allowed, "remedy": m.remedy}
            for m in done.mistakes
        ],
        "stack_file": file,
    }


def _lines(done: Translation) -> list[str]:
    blocks = {
        "moved": [f"{key} -> {path}: {value}" for key, path, value in done.moved],
        "without a meaning here": [f"{key}: {why}" for key, why in done.without_meaning],
        "unresolved, the base's value stays": [
            f"{key}: give it with --set {name}=…" for key, name in done.unresolved
        ],
        "to do": done.reminders,
        "mistakes": [str(mistake) for mistake in done.mistakes],
    }
    return [
        line
        for title, entries in blocks.items()
        if entries
        for line in (f"{title} ({len(entries)}):", *(f"  {entry}" for entry in entries))
    ]


if __name__ == "__main__":
    sys.exit(main())
