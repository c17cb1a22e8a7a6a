"""What differs between two states of a resource: by path, in words, without its secrets.

The engine's own diff is not enough: a dynamic provider gives none, and one of a list names a
position where a reader wants the name of the variable or container that stands there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assurance.policies.model import UNKNOWN, Secret
from assurance.policies.state import plain
from assurance.review.holdings import bare

HUSHED = (
    r"secret|token|passwo?r?d|pwd|credential|api_?key|connection_?string|string_data"
    r"|(?:private|access|account|shared|signing)_?key"
)
SECRET_NAME = re.compile(rf"{HUSHED}|(?:^|_)(?:sas|dsn)(?:_|$)")
"""Names whose value is never shown, whether or not it is marked as a secret."""
ABOUT_SECRET = re.compile(
    rf"(?:{HUSHED})\w*_(?:name|names|ref|refs|seconds|minutes|days|auth|class)$"
)
"""Names of what is only said about a secret: where it lies, how long it is good for."""
SECRET_TEXTS = (
    (re.compile(r"(://[^/\s:@]*:)\S+@"), r"\1[secret]@"),
    (
        re.compile(rf"((?:\b|_)(?:sig|{HUSHED})\w*=)[^\s&;]+", re.IGNORECASE),
        r"\1[secret]",
    ),
)
"""Passwords in addresses, signatures in queries, and what a connection string holds."""
LONGEST = 80
"""Characters of a value in a table; a longer one is described."""
SILENT = {"pulumi-python:dynamic/memory:VectorSchema": ("plan", "state")}
"""Properties that follow from others, and are shown as the DDL that they are."""
GENERATED = re.compile(
    r"(?<!roleDefinitions/)\b[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b"
)
"""An identifier that a cloud made up, another one at every run; a role's own is Azure's for ever,
and the placeholders of the stack files have no version."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One property that is another one afterwards."""

    path: str
    before: str
    after: str
    """Both in words, ready to be shown."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource."""

    op: str
    """``create``, ``update``, ``replace`` or ``delete``."""
    type: str
    name: str
    """Pulumi's, without the project and the stack, so that environments can be compared."""
    urn: str
    differences: tuple[Difference, ...] = ()
    forced_by: tuple[str, ...] = ()
    """Of a replacement: the properties that can only be set when it is made."""
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    """The states around it, as the engine has them; empty where there is none."""

    @property
    def types(self) -> frozenset[str]:
        """What it was and what it becomes, by types without a version."""
        named = (self.type, self.old.get("type"), self.new.get("type"))
        return frozenset(bare(type_) for type_ in named if type_)

    @property
    def kind(self) -> str:
        """The type as people say it: ``dbforpostgresql:Server``."""
        return self.type.removeprefix("azure-native:").removeprefix("pulumi-python:dynamic/")

    @property
    def label(self) -> str:
        """Type and name; of what is there once, the type alone."""
        return f"{self.kind} {self.name}".strip()


def differences(type_: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what differs between the inputs of two states."""
    before, after = plain(old.get("inputs") or {}), plain(new.get("inputs") or {})
    for key in SILENT.get(type_, ()):
        before.pop(key, None)
        after.pop(key, None)
    yield from _compared("", before, after)


ABSENT = object()
ABSENT_WORDS = "nothing"
UNKNOWN_WORDS = "known at up"
HIDDEN = "[secret]"
"""What stands in place of a secret; the engine's own word for it."""
HIDDEN_TOO = "[another secret]"


def _compared(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            inner = f"{path}.{key}" if path else key
            yield from _compared(inner, before.get(key, ABSENT), after.get(key, ABSENT))
    elif isinstance(before, list) and isinstance(after, list):
        ours, theirs = _by_name(before), _by_name(after)
        for key in dict.fromkeys([*ours, *theirs]):
            yield from _compared(f"{path}[{key}]", ours.get(key, ABSENT), theirs.get(key, ABSENT))
    else:
        yield _difference(path, before, after)


def _by_name(items: Sequence[Any]) -> dict[str, Any]:
    names = [item.get("name") if isinstance(item, Mapping) else None for item in items]
    if all(names) and len(set(names)) == len(items):
        return {str(name): item for name, item in zip(names, items, strict=True)}
    return {str(index): item for index, item in enumerate(items)}


def _difference(path: str, before: Any, after: Any) -> Difference:
    if _is_secret(path, before) or _is_secret(path, after):
        return Difference(path=path, before=HIDDEN, after=HIDDEN_TOO)
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        return Difference(path=path, before="a text", after=_lines_apart(before, after))
    return Difference(path=path, before=shown(before), after=shown(after))


def _is_secret(path: str, value: Any) -> bool:
    return isinstance(value, Secret) or (not isinstance(value, bool) and names_secret(path))


def names_secret(path: str) -> bool:
    """Tell whether any part of a path, a variable's name in brackets too, names a secret."""
    *outer, last = (_snake(part) for part in re.split(r"[.\[\]]+", path.rstrip("]")))
    if ABOUT_SECRET.search(last):
        return False
    return any(SECRET_NAME.search(p) and not ABOUT_SECRET.search(p) for p in (*outer, last))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")


def _lines_apart(before: str, after: str) -> str:
    ours, theirs = before.splitlines(), after.splitlines()
    gone, come = len(set(ours) - set(theirs)), len(set(theirs) - set(ours))
    return f"the same text, lines: {come} added, {gone} removed"


def shown(value: Any) -> str:
    """Return a value in words that fit into a table; what only a run can know is left out."""
    for standing, words in ((ABSENT, ABSENT_WORDS), (None, ABSENT_WORDS), (UNKNOWN, UNKNOWN_WORDS)):
        if value is standing:
            return words
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key}: {_inner(value, key)}" for key in value)
        return _shortened(f"{{{inner}}}")
    if isinstance(value, list):
        return _shortened(f"[{', '.join(shown(each) for each in value)}]")
    words = str(value).lower() if isinstance(value, bool) else str(value)
    for pattern, masked in SECRET_TEXTS:
        words = pattern.sub(masked, words)
    return _shortened(GENERATED.sub("(generated id)", words))


def _inner(around: Mapping[str, Any], key: str) -> str:
    named = str(around.get("name", "")) if key == "value" else ""  # a variable of a container
    hidden = not isinstance(around[key], bool) and (names_secret(key) or names_secret(named))
    return HIDDEN if hidden else shown(around[key])


def _shortened(words: str) -> str:
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
