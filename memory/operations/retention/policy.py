"""How long which memories are kept, as data.

Each rule ends some memories after some days; a memory ends by the first rule that ends it.  What no
rule speaks of is kept for ever.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory.operations.retention.errors import PolicyRefused

TYPES: tuple[Literal["episodic", "semantic"], ...] = ("episodic", "semantic")
FILE = "ENGRAM_RETENTION_FILE"
BY_TYPE = "ENGRAM_RETENTION_{}_DAYS"
BY_TAG = "ENGRAM_RETENTION_SENSITIVITY_DAYS"
Days = Annotated[int, Field(ge=1, le=36_500)]


class Rule(BaseModel):
    """Some memories end ``days`` after they were made; without type and tag, all do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_type: Literal["episodic", "semantic"] | None = None
    sensitivity: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """A tag; memories that carry it, beside others or alone."""
    days: Days

    def __str__(self) -> str:
        """The rule, as it is spoken of."""
        tag = f" tagged {self.sensitivity}" if self.sensitivity else ""
        return f"{self.memory_type or 'all'} memories{tag} after {self.days} days"

    def condition(self, now: datetime) -> tuple[str, list[Any]]:
        """The rows that this rule ends, as SQL with its parameters."""
        words, values = ["created_at < %s"], [now - timedelta(days=self.days)]
        parameters: list[Any] = list(values)
        if self.memory_type:
            words.append("memory_type = %s")
            parameters.append(self.memory_type)
        if self.sensitivity:
            words.append("sensitivity ? %s")
            parameters.append(self.sensitivity)
        return f"({' AND '.join(words)})", parameters


class Policy(BaseModel):
    """All rules of one installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = ()

    def condition(self, now: datetime) -> tuple[str, list[Any]]:
        """The rows that any rule ends."""
        parts = [rule.condition(now) for rule in self.rules]
        return (
            f"({' OR '.join(words for words, _ in parts)})",
            [value for _, values in parts for value in values],
        )

    @classmethod
    def of_file(cls, file: str) -> Self:
        """Read ``{"rules": [{"memory_type": …, "sensitivity": …, "days": …}]}``.

        Raises PolicyRefused with every mistake.
        """
        try:
            return cls.model_validate_json(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            raise PolicyRefused(f"{file} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise PolicyRefused(f"{file}: {_mistakes(error)}") from error

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The rules of ENGRAM_RETENTION_FILE, or of the variables that name days.

        Raises PolicyRefused.
        """
        if file := environment.get(FILE):
            return cls.of_file(file)
        given: list[dict[str, str]] = [
            {"memory_type": kind, "days": days}
            for kind in TYPES
            if (days := environment.get(BY_TYPE.format(kind.upper())))
        ]
        given += _tagged(environment.get(BY_TAG, ""))
        try:
            return cls.model_validate({"rules": given})
        except ValidationError as error:
            raise PolicyRefused(f"ENGRAM_RETENTION_…: {_mistakes(error)}") from error


def _tagged(text: str) -> Iterable[dict[str, str]]:
    """``phi=30,secret=90`` as rules."""
    for part in filter(None, (word.strip() for word in text.split(","))):
        tag, mark, days = part.partition("=")
        if not mark:
            raise PolicyRefused(f"{BY_TAG}: {part!r} is no TAG=DAYS, such as phi=30")
        yield {"sensitivity": tag.strip(), "days": days.strip()}


def _mistakes(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'policy'}: {one['msg']} (found {one['input']!r})"
        for one in error.errors(include_url=False)
    )
