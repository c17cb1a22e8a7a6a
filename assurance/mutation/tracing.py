"""Which rule looks at what: a rule runs once over a copy of the stack that notes every look.

A rule is a pure function of what it reads, so a change elsewhere cannot change its verdict.  That
says both what is worth changing, and which rules need to be asked again afterwards.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, SupportsIndex

from typing_extensions import override

from assurance.mutation.paths import Path
from assurance.policies.judge import judge_resource, judge_stack
from assurance.policies.model import Properties, Resource, Rule, Secret, Stack

SHAPE: Final = "<shape>"
"""Stands at the end of a path whose keys, or whose length, were looked at."""
OPTIONS: Final = frozenset({"protect", "dependencies"})
"""What a rule may ask of a resource beside its inputs, and a program may leave out."""

Note = Callable[[Path], None]


@dataclass
class Looks:
    """What one rule looked at."""

    paths: dict[str, set[Path]] = field(default_factory=dict)
    """By URN."""
    options: set[tuple[str, str]] = field(default_factory=set)
    """URNs, each with one of ``OPTIONS``."""
    types: set[str] = field(default_factory=set)
    """Of which it asked for all resources."""
    everything: bool = False
    """Whether it asked for all resources of the stack."""
    raw: set[str] = field(default_factory=set)
    """URNs of those whose inputs it went through as they are, secrets and all."""


def trace(rule: Rule, stack: Stack) -> Looks:
    """Run a rule over a whole stack, and return what it looked at.

    Each rule gets copies of its own: what another one keeps in mind must not hide a look.
    """
    looks = Looks()
    chosen = stack.resources if rule.of_stack else stack.of_type(*rule.types)
    watched = [_watched(resource, looks) for resource in chosen]
    if rule.of_stack:
        list(judge_stack(_watched_stack(watched, stack.environment, looks), (rule,)))
    else:
        for resource in watched:
            list(judge_resource(resource, (rule,)))
    return looks


@dataclass(frozen=True, kw_only=True, eq=False)
class _Watched(Resource):
    looks: Looks

    @property
    @override
    def inputs(self) -> Properties:  # not cached: nothing to keep
        note = self.looks.paths.setdefault(self.urn, set()).add
        return Properties(_Object(super().__getattribute__("raw"), (), note))

    @override
    def __getattribute__(self, name: str) -> Any:
        if name in OPTIONS:
            self.looks.options.add((self.urn, name))
        elif name == "raw":
            self.looks.raw.add(self.urn)
        return super().__getattribute__(name)


def _watched(resource: Resource, looks: Looks) -> Resource:
    return _Watched(**{f.name: getattr(resource, f.name) for f in fields(resource)}, looks=looks)


class _All(tuple[Resource, ...]):
    """All resources of a stack."""

    looks: Looks

    @override
    def __iter__(self) -> Iterator[Resource]:
        self.looks.everything = True
        return super().__iter__()


class _WatchedStack(Stack):
    @override
    def of_type(self, *types: str) -> list[Resource]:
        assert isinstance(self.resources, _All)  # noqa: S101 - for mypy; see _watched_stack
        self.resources.looks.types.update(types)
        return super().of_type(*types)


def _watched_stack(resources: list[Resource], environment: str, looks: Looks) -> Stack:
    everything = _All(resources)
    everything.looks = looks
    stack = _WatchedStack(everything, environment)
    # Groups all resources now, so that no rule seems to have asked for them.
    Stack.of_type(stack, "")
    looks.everything = False
    return stack


class _Object(dict[str, Any]):
    """An object that notes the keys that are asked for, those that it has and those it lacks."""

    def __init__(self, raw: Mapping[str, Any], path: Path, note: Note) -> None:
        super().__init__(raw)
        self._path = path
        self._note = note

    @override
    def __getitem__(self, key: str) -> Any:
        path = (*self._path, key)
        self._note(path)
        return _noting(super().__getitem__(key), path, self._note)

    @override
    def __iter__(self) -> Iterator[str]:
        self._note((*self._path, SHAPE))
        return super().__iter__()

    @override
    def __len__(self) -> int:
        self._note((*self._path, SHAPE))
        return super().__len__()


class _List(list[Any]):
    """A list that notes which of its items are asked for."""

    def __init__(self, raw: Any, path: Path, note: Note) -> None:
        super().__init__(raw)
        self._path = path
        self._note = note

    @override
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        self._note((*self._path, SHAPE))  # an index that is too large asks for the length
        item = super().__getitem__(index)
        path = (*self._path, int(index) % super().__len__())
        self._note(path)
        return _noting(item, path, self._note)

    @override
    def __len__(self) -> int:
        self._note((*self._path, SHAPE))
        return super().__len__()


def _noting(raw: Any, path: Path, note: Note) -> Any:
    if isinstance(raw, Secret):
        return Secret(_noting(raw.value, path, note))
    if isinstance(raw, Mapping):
        return _Object(raw, path, note)
    if isinstance(raw, list | tuple):
        return _List(raw, path, note)
    return raw
