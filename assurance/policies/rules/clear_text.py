"""No secret in clear, in any input of any resource."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assurance.policies.azure import SECRET
from assurance.policies.model import (
    UNKNOWN,
    Fault,
    Secret,
    Severity,
    Stack,
    Undecidable,
    stack_rule,
)

SECRET_KEY: Final = re.compile(
    r"(?i)(^|[_.-]|(?<=[a-z]))(password|passwd|passphrase|secret|secrets|token|api[_-]?key"
    r"|private_?key|kubeconfig|connection_?string|credentials?|sas|dsn)$"
)
"""An input whose name ends so holds a secret, where it holds a text."""
VALUES: Final = frozenset({(SECRET, "properties.value")})
"""Inputs that are a secret whatever they are called."""
SECRET_TEXT: Final = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+]*://[^\s:/@{}$]+:[^\s:/@{}$]+@"),
    "an account key": re.compile(r"(?i)\b(account|sharedaccess)key=[A-Za-z0-9+/=]{20,}"),
    "a key of OpenAI's form": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
}
SHORTEST: Final = 12
"""Characters; a shorter secret stands in too many texts by chance."""


@dataclass(frozen=True)
class _Text:
    """One text among inputs, and whether it is sealed."""

    path: str
    key: str
    value: Any
    sealed: bool


@stack_rule(
    name="secret-never-in-clear",
    title="No input holds a secret in clear, so no state, plan or log does",
    severity=Severity.CRITICAL,
    remediation="Make it an Output.secret, or take it from the vault; then renew it: it has been"
    " written to the state.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("IA-5(7)", "SC-28"),
)
def never_in_clear(stack: Stack) -> Iterator[Fault]:
    """Also where a secret that is sealed elsewhere stands inside of another text.

    What a run does not declare is known from what was answered, in which nothing is sealed.
    """
    declared = [resource for resource in stack.resources if resource.declared]
    texts = {resource: list(_texts(resource.raw)) for resource in declared}
    known = {
        text.value
        for listed in texts.values()
        for text in listed
        if text.sealed and isinstance(text.value, str) and len(text.value) >= SHORTEST
    }
    early = None
    for resource, listed in texts.items():
        for text in listed:
            if text.sealed:
                continue
            secret = SECRET_KEY.search(text.key) or (resource.type, text.path) in VALUES
            if text.value is UNKNOWN:
                early = early or (text.path if secret else None)
            elif fault := _fault(text, known, is_secret=bool(secret)):
                yield resource, fault
    if early:
        raise Undecidable(early)


def _fault(text: _Text, known: set[str], *, is_secret: bool) -> str | None:
    """Say what a text in clear gives away, and never the text."""
    value = str(text.value)
    if value and is_secret:
        return f"{text.path} is in clear; allowed: a secret"
    for what, pattern in SECRET_TEXT.items():
        if pattern.search(value):
            return f"{text.path} holds {what} in clear; allowed: a secret"
    if any(secret in value for secret in known):
        return f"{text.path} holds in clear what is a secret elsewhere; allowed: a secret"
    return None


def _texts(value: Any, path: str = "", key: str = "", *, sealed: bool = False) -> Iterator[_Text]:
    if isinstance(value, Secret):
        yield from _texts(value.value, path, key, sealed=True)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{path}.{name}".lstrip("."), str(name), sealed=sealed)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]", key, sealed=sealed)
    elif isinstance(value, str) or value is UNKNOWN:
        yield _Text(path, key, value, sealed)
