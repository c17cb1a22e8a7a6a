"""All changes that are worth making to a stack: one change, one mutant."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from assurance.mutation.operators import Change, additions, changes
from assurance.mutation.paths import (
    ABSENT,
    Path,
    bare,
    found,
    removed,
    replaced,
    secrets,
    shown,
    uncovered,
)
from assurance.mutation.tracing import SHAPE, Looks
from assurance.policies.model import Resource, Stack

FEW: Final = 3
"""How many items of a list are changed in the same way."""
UNCOVER: Final = "uncover"
"""The change that makes a secret none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Mutant:
    """One resource of a stack with one change."""

    original: Resource
    mutated: Resource | None
    """Nothing, where the resource itself is left out."""
    path: Path = ()
    """Of the change; nothing where it is not in the inputs."""
    place: str
    """The path in words, or an option's name, or nothing for the resource itself."""
    change: str
    """Its name, as ``remove`` or ``flip``."""

    def of(self, stack: Stack) -> Stack:
        """Return the stack with the change in it."""
        resources = (self.mutated if r is self.original else r for r in stack.resources)
        return replace(stack, resources=tuple(r for r in resources if r is not None))


@dataclass(frozen=True)
class Breeder:
    """Makes the mutants of one stack."""

    stack: Stack
    looks: Mapping[str, Looks]
    """By rule."""

    def mutants(self) -> Iterator[Mutant]:
        """Yield every mutant that any rule could notice, in an order that does not change.

        Of one change to all items of one list, only the first few are made: a rule that goes
        through a list does with the tenth item what it did with the first.
        """
        for resource in sorted(self.stack.resources, key=lambda resource: resource.urn):
            made: Counter[tuple[str, str]] = Counter()
            for mutant in self._of(resource):
                made[mutant.place, mutant.change] += 1
                if made[mutant.place, mutant.change] <= FEW:
                    yield mutant

    def _of(self, resource: Resource) -> Iterator[Mutant]:
        yield Mutant(original=resource, mutated=None, place="", change="leave out")
        for path in self._guarded(resource):
            yield from self._at(resource, path)
        for path in secrets(resource.raw):
            # Whoever looks: the rule that guards them all reads none by its name.
            yield _mutant(resource, path, UNCOVER, uncovered(resource.raw, path))
        yield from self._without_options(resource)

    def _guarded(self, resource: Resource) -> list[Path]:
        seen = {
            path[:-1] if path[-1] == SHAPE else path
            for looks in self.looks.values()
            for path in looks.paths.get(resource.urn, ())
        }
        return sorted(seen - {()}, key=lambda path: [str(key) for key in path])

    def _at(self, resource: Resource, path: Path) -> Iterator[Mutant]:
        there = bare(found(resource.raw, path))
        alternatives: Iterator[Change]
        if isinstance(path[-1], int):
            # A list drops its items itself; what an item may not lack is asked of the item.
            alternatives = changes(there) if isinstance(there, str) else iter(())
        elif there is not ABSENT:
            yield _mutant(resource, path, "remove", removed(resource.raw, path))
            alternatives = changes(there, self._elsewhere(resource, path, there))
        elif isinstance(bare(found(resource.raw, path[:-1])), Mapping):
            alternatives = additions(path[-1])
        else:
            return  # what is missing is further up, and has its turn there
        for change, value in alternatives:
            yield _mutant(resource, path, change, replaced(resource.raw, path, value))

    def _elsewhere(self, resource: Resource, path: Path, there: Any) -> Any:
        """Return what another resource of the type has at a path, if it is something else."""
        for other in self._by_type[resource.type]:
            value = bare(found(other.raw, path))
            if isinstance(value, str) and value != there:
                return value
        return None

    @cached_property
    def _by_type(self) -> dict[str, list[Resource]]:
        grouped: dict[str, list[Resource]] = {}
        for resource in sorted(self.stack.resources, key=lambda resource: resource.urn):
            grouped.setdefault(resource.type, []).append(resource)
        return grouped

    def _without_options(self, resource: Resource) -> Iterator[Mutant]:
        seen = {
            option
            for looks in self.looks.values()
            for urn, option in looks.options
            if urn == resource.urn
        }
        if "protect" in seen:
            flipped = replace(resource, protect=not resource.protect)
            yield Mutant(original=resource, mutated=flipped, place="protect", change="flip")
        if "dependencies" in seen:
            for urn in resource.dependencies:
                rest = tuple(other for other in resource.dependencies if other != urn)
                hasty = replace(resource, dependencies=rest)
                yield Mutant(original=resource, mutated=hasty, place="dependencies", change="drop")


def _mutant(resource: Resource, path: Path, change: str, raw: Any) -> Mutant:
    return Mutant(
        original=resource,
        mutated=replace(resource, raw=raw),
        path=path,
        place=shown(path),
        change=change,
    )
