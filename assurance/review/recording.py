"""What was recorded of a pull request: its files, and of every stack the engine's preview.

``make review`` writes the folder; nothing in here asks an engine, a clock or a network, so that the
same folder gives the same comment.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from assurance.errors import AssuranceError
from assurance.review.changes import HIDDEN, Change, Difference, differences

PROMOTION = ("dev", "test", "uat", "prod")
"""The order in which environments get a change."""
STACK_TYPE = "pulumi:pulumi:Stack"
SUFFIX_TYPE = "random:index/randomString:RandomString"
PROVIDER = "pulumi:providers:"
VERDICTS = ("violation", "not yet decidable", "exception")
"""What ``python -m assurance policies check`` says of a finding."""
ONE_REPLACEMENT = frozenset({"create-replacement", "delete-replaced"})
"""Steps that the engine adds to a ``replace``."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The pull request itself."""

    base: str
    """Name of what it is compared with, as ``main``."""
    base_commit: str
    files: tuple[str, ...]
    """Paths that differ from the base, sorted."""
    stacks: tuple[str, ...]
    """Those that were compared, in the order of promotion; none where no engine is needed."""
    on: date
    """The day on which it was compared: prices and exceptions have one, too."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the rules say of a stack; each finding as ``python -m assurance policies`` words it."""

    rules: int = 0
    violations: tuple[Mapping[str, Any], ...] = ()
    undecided: tuple[Mapping[str, Any], ...] = ()
    exceptions: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One stack before and after."""

    stack: str
    failure: str = ""
    """Why there is no complete preview, in the words of whoever failed."""
    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    steps: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """All that the engine looked at, with its states."""
    guarded: bool = False
    """Whether the base protects anything of the stack: its settings say ``protected: true``."""
    outputs_before: Mapping[str, Any] = field(default_factory=dict)
    outputs_after: Mapping[str, Any] = field(default_factory=dict)
    before: Verdict | None = None
    after: Verdict | None = None
    """None where the rules could not be asked."""

    @property
    def judged(self) -> bool:
        """Whether the engine looked at it, which sees the stack itself at least, and the rules."""
        return bool(self.steps) and self.after is not None

    def count(self, op: str) -> int:
        """Return how many resources this happens to."""
        return sum(change.op == op for change in self.changes)


def read_request(folder: Path) -> Request:
    """Read what is compared; raise ``AssuranceError`` where the folder does not hold it."""
    found = _read(folder / "request.json")
    try:
        return Request(
            base=found["base"],
            base_commit=found["base_commit"],
            files=tuple(sorted(found["files"])),
            stacks=tuple(stack for stack in PROMOTION if stack in found["stacks"]),
            on=date.fromisoformat(found["on"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AssuranceError(
            f"{folder}: request.json is not what `make review` writes ({error!r}); run it again"
        ) from error


def read_recording(folder: Path, stack: str) -> Recording:
    """Read one stack; what was not written, because something failed, is left out."""
    place = folder / stack
    preview = _read(place / "preview.json", {})
    steps = tuple(preview.get("steps") or ())
    suffixes = tuple(_suffixes(steps))
    failure = place / "failure.txt"
    return Recording(
        stack=stack,
        failure=failure.read_text(encoding="utf-8").strip() if failure.exists() else "",
        changes=tuple(_changes(stack, steps, suffixes)),
        unchanged=preview.get("changeSummary", {}).get("same", 0),
        steps=steps,
        guarded=any((step.get("oldState") or {}).get("protect") for step in steps),
        outputs_before=_outputs(steps),
        outputs_after=_read(place / "outputs.json", {}),
        before=_verdict(place / "policies-before.json"),
        after=_verdict(place / "policies.json"),
    )


def _read(file: Path, default: Any = None) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if default is not None:
            return default
        raise AssuranceError(f"{file} is missing; `make review` writes it") from None
    except ValueError as error:
        raise AssuranceError(f"{file} is not JSON ({error}); run `make review` again") from error


def _verdict(file: Path) -> Verdict | None:
    found = _read(file, {})
    if not found:
        return None
    said: dict[str, list[Mapping[str, Any]]] = {verdict: [] for verdict in VERDICTS}
    for each in found["findings"]:
        said[each["verdict"]].append(each)
    violations, undecided, exceptions = (tuple(said[verdict]) for verdict in VERDICTS)
    return Verdict(
        rules=found["rules"],
        violations=violations,
        undecided=undecided,
        exceptions=exceptions,
    )


def _outputs(steps: tuple[Mapping[str, Any], ...]) -> Mapping[str, Any]:
    for step in steps:
        state = step.get("oldState") or {}
        if state.get("type") == STACK_TYPE:
            found: Mapping[str, Any] = state.get("outputs") or {}
            return found
    return {}


def _suffixes(steps: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    """Yield what names end in that must be the only ones of the world: new ones at every run."""
    for step in steps:
        state = step.get("oldState") or {}
        if state.get("type") == SUFFIX_TYPE:
            result = (state.get("outputs") or {}).get("result")
            if isinstance(result, str):
                yield result


def _changes(
    stack: str, steps: tuple[Mapping[str, Any], ...], suffixes: tuple[str, ...]
) -> Iterator[Change]:
    for step in steps:
        old, new = step.get("oldState") or {}, step.get("newState") or {}
        type_ = (new or old).get("type", "")
        if step["op"] in {"same", *ONE_REPLACEMENT} or type_.startswith(PROVIDER):
            continue
        found = list(differences(type_, old, new)) if old and new else []
        yield Change(
            op=step["op"],
            type=type_,
            name=short_name(stack, step["urn"]),
            urn=step["urn"],
            differences=tuple(_masked(each, suffixes) for each in found or _named_by_engine(step)),
            forced_by=tuple(sorted(set(step.get("replaceReasons") or ()))),
            old=old,
            new=new,
        )


def _named_by_engine(step: Mapping[str, Any]) -> list[Difference]:
    """What differs where no value shows it: a secret, or what a provider computes."""
    paths = sorted(step.get("detailedDiff") or step.get("diffReasons") or ())
    return [Difference(path=path, before=HIDDEN, after="another value") for path in paths]


def _masked(difference: Difference, suffixes: tuple[str, ...]) -> Difference:
    def mask(words: str) -> str:
        for suffix in suffixes:
            words = re.sub(rf"-{re.escape(suffix)}\b", "-(suffix)", words)
        return words

    return Difference(
        path=mask(difference.path), before=mask(difference.before), after=mask(difference.after)
    )


def short_name(stack: str, urn: str) -> str:
    """Return a resource's name as it is called in every environment."""
    name = urn.rpartition("::")[2]
    project = urn.split("::")[1] if "::" in urn else ""
    prefix = f"{project}-{stack}"
    return name.removeprefix(prefix).lstrip("-")
