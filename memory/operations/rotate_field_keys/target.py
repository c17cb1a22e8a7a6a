"""How every row ought to be, and which are not: conditions that the server answers."""

import json
from dataclasses import dataclass
from itertools import product
from typing import Any

from memory.encryption.cipher import PREFIX, FieldCipher
from memory.encryption.errors import NoKeys
from memory.encryption.fields import SENSITIVE, Policy
from memory.encryption.paths import Path

STALE_INDEX = (
    "(blind_index IS NOT NULL AND EXISTS (SELECT FROM jsonb_each_text(blind_index) b"
    " WHERE split_part(b.value, ':', 1) <> %(blind)s))"
)
OPEN_METADATA = "metadata @? ANY (%(open)s::jsonpath[])"
OPEN_CONTENT = "(sensitivity ?| %(tags)s::text[] AND NOT starts_with(content, %(prefix)s))"
# A value is in the clear unless it is a text with our prefix; a list is looked into.
IN_THE_CLEAR = f'? (@.type() != "string" || !(@ starts with "{PREFIX}"))'


@dataclass(frozen=True, kw_only=True)
class Target:
    """Every row under these keys."""

    key_id: str
    blind_id: str | None = None
    """None leaves the blind indexes alone."""
    policy: Policy | None = None
    """With one, sensitive fields that lie in the clear are encrypted, too."""

    @classmethod
    def of(cls, cipher: FieldCipher, policy: Policy | None = None) -> "Target":
        """Every row under the keys that the cipher writes with.  Raises NoKeys."""
        ring = cipher.keys.current
        try:
            blind = ring.primary("blind").id
        except NoKeys:
            blind = None
        return cls(key_id=ring.primary("fields").id, blind_id=blind, policy=policy)

    @property
    def in_the_clear(self) -> str:
        """The condition of a row with something sensitive that is not encrypted."""
        words = [OPEN_METADATA] if self._paths() else []
        words += [OPEN_CONTENT] if self.policy and self.policy.content else []
        return " OR ".join(words) or "false"

    @property
    def open_content(self) -> str:
        """The condition of content that is sensitive and not encrypted."""
        return OPEN_CONTENT if self.policy and self.policy.content else "false"

    @property
    def wanted(self) -> str:
        """The condition of a row that is not as it ought to be."""
        words = ["key_id <> %(key)s", *([STALE_INDEX] if self.blind_id else []), self.in_the_clear]
        return " OR ".join(words)

    def parameters(self) -> dict[str, Any]:
        """What the conditions ask for."""
        return {
            "key": self.key_id,
            "blind": self.blind_id,
            "open": self._paths(),
            "tags": list(SENSITIVE),
            "prefix": PREFIX,
        }

    def _paths(self) -> list[str]:
        fields = self.policy.fields if self.policy else ()
        return [jsonpath for path in fields for jsonpath in open_at(path)]


def open_at(path: Path) -> list[str]:
    """jsonpath for whatever is in the clear at a path, however the names' dots were meant."""
    found = []
    for dots in product((".", None), repeat=len(path) - 1):
        names = [path[0]]
        for dot, name in zip(dots, path[1:], strict=True):
            if dot:
                names[-1] += f".{name}"
            else:
                names.append(name)
        keys = "".join(f".{json.dumps(name, ensure_ascii=False)}" for name in names)
        found.append(f"${keys} {IN_THE_CLEAR}")
    return found
