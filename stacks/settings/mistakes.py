"""A wrong stack file, explained: one line a mistake, and never the value of a secret."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, get_args, get_origin

from pydantic import AwareDatetime
from pydantic_core import ErrorDetails

from stacks.settings.base import Settings
from stacks.settings.shape import has_part, model_at, part_of, tags_at

SECRET_WORDS = re.compile(
    r"passw|secret|token|credential|connection_?string|private_?key|api_?key|kubeconfig", re.I
)
HIDDEN = "a value that is not shown"
AZURE_KEYS = {
    "location": "azure-native:location",
    "subscription_id": "azure-native:subscriptionId",
    "tenant_id": "azure-native:tenantId",
}
"""How the stack file spells our names of the provider's own keys."""

LONGEST = 80
"""Characters of a found value that are shown."""

OBJECT = ("an object", "indent its keys below it")
DATE = ('a date, e.g. "2026-11-01"', "write year-month-day in quotes")
INSTANT = (
    'an instant with its offset, e.g. "2026-11-23T10:00:00Z"',
    "write date, time and offset in quotes",
)
WORDINGS = {
    "setting": ("{allowed}", "{remedy}"),
    "greater_than_equal": ("{ge} or more", "raise it to at least {ge}"),
    "less_than_equal": ("{le} or less", "lower it to at most {le}"),
    "literal_error": ("{expected}", "choose one of them"),
    "int_type": ("a whole number", "write the number without quotes or fraction"),
    "float_type": ("a number", "write the number without quotes"),
    "bool_type": ("true or false", "write it without quotes"),
    "string_type": ("text", "put it in quotes"),
    "tuple_type": ("a list, e.g. [a, b]", "put it in square brackets"),
    "too_short": ("{min_length} or more entries", "add one"),
    "too_long": ("{max_length} or fewer entries", "remove some"),
    "ip_v4_address": ("an IPv4 address, e.g. 10.245.0.10", "write four numbers with dots"),
    "ip_v4_network": ("an IPv4 range, e.g. 10.20.0.0/16", "clear the bits behind the prefix"),
    "date_type": DATE,
    "date_parsing": DATE,
    "date_from_datetime_parsing": DATE,
    "datetime_type": INSTANT,
    "datetime_parsing": INSTANT,
    "datetime_from_date_parsing": INSTANT,
    "timezone_aware": INSTANT,
    "model_type": OBJECT,
    "dict_type": OBJECT,
}
"""What is allowed and what to do, for pydantic's errors of single values."""

KINDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list",
    IPv4Address: WORDINGS["ip_v4_address"][0],
    IPv4Network: WORDINGS["ip_v4_network"][0],
    date: DATE[0],
    AwareDatetime: INSTANT[0],
}


@dataclass(frozen=True)
class Mistake:
    """What is wrong with one value, and what to do about it."""

    path: str
    found: object
    allowed: str
    remedy: str

    def __str__(self) -> str:
        """The one line that a reader of the error sees."""
        return f"{self.path}: found {self.found}; allowed: {self.allowed}; {self.remedy}"


class SettingsError(Exception):
    """A stack file that cannot be deployed, with all of its mistakes."""

    def __init__(self, stack: str, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.path)
        count = len(self.mistakes)
        head = f"Pulumi.{stack}.yaml has {count} {'mistake' if count == 1 else 'mistakes'}:"
        super().__init__("\n".join([head, *(f"  {mistake}" for mistake in self.mistakes)]))


def shown(path: str, value: object) -> str:
    """Return a value for a message: short, on one line, and hidden if it may be a secret."""
    if SECRET_WORDS.search(path.rsplit(".", 1)[-1]):
        return HIDDEN
    if isinstance(value, Mapping):
        return f"an object with {', '.join(map(str, value)) or 'no keys'}"
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def explain(error: ErrorDetails, raw: Mapping[str, object]) -> Mistake:
    """Translate one of pydantic's errors."""
    keys = path_in(error["loc"], raw)
    path, last = AZURE_KEYS.get(keys[-1], ".".join(keys)), keys[-1]
    siblings = model_at(keys[:-1], raw)
    match error["type"]:
        case "extra_forbidden":
            return _unknown(path, last, siblings)
        case "missing":
            remedy = f"add {path}"
            return Mistake(path, "nothing", _kind(siblings, last), remedy)
        case "union_tag_not_found" | "union_tag_invalid":
            return _untagged(error, path, keys, raw)
        case _:
            allowed, remedy = _wording(error)
            return Mistake(path, shown(path, error["input"]), allowed, remedy)


def path_in(loc: tuple[int | str, ...], raw: Mapping[str, object]) -> list[str]:
    """Return the keys of the file; pydantic's location also names the members of unions."""
    keys: list[str] = []
    here: object = raw
    for position, key in enumerate(loc):
        inside = has_part(here, str(key))
        if inside or position == len(loc) - 1:
            keys.append(str(key))
        if inside:
            here = part_of(here, str(key))
    return keys


def _unknown(path: str, key: str, siblings: type[Settings] | None) -> Mistake:
    if SECRET_WORDS.search(key):
        remedy = (
            "keep secrets out of the settings; an existing server's password is set with"
            " `pulumi config set --secret engram:postgresAdminPassword`, an existing cluster's"
            " kubeconfig with `… --secret engram:kubeconfig`; all others are the vault's"
        )
        return Mistake(path, HIDDEN, "no secret in clear", remedy)
    names = list(siblings.model_fields) if siblings else []
    close = difflib.get_close_matches(key, names, n=1)
    remedy = f"did you mean {close[0]}?" if close else f"remove {key}"
    return Mistake(path, f"the unknown key {key!r}", ", ".join(names), remedy)


def _untagged(
    error: ErrorDetails, path: str, keys: Sequence[str], raw: Mapping[str, object]
) -> Mistake:
    context = error.get("ctx", {})
    tag = str(context.get("discriminator", "'kind'")).strip("'")
    found = repr(context["tag"]) if "tag" in context else f"no {tag}"
    members = ", ".join(map(repr, tags_at(keys, raw, tag)))
    return Mistake(f"{path}.{tag}", found, members, f"say which {tag} it is")


def _kind(siblings: type[Settings] | None, key: str) -> str:
    """Say in words what a missing key should hold."""
    field = siblings.model_fields.get(key) if siblings else None
    kind = field.annotation if field else None
    if get_origin(kind) is Literal:
        return ", ".join(map(repr, get_args(kind)))
    return KINDS.get(get_origin(kind) or kind, "an object")


def _wording(error: ErrorDetails) -> tuple[str, str]:
    allowed, remedy = WORDINGS.get(error["type"], (error["msg"], "correct the value"))
    context = error.get("ctx", {})
    return allowed.format(**context), remedy.format(**context)
