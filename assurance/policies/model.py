"""What a rule is, what it is shown, and what it may say.

A rule is a plain function over a resource's inputs, or over all resources of a stack.  It yields
what is wrong, in words; nothing that it cannot find is taken for granted, and what a preview does
not know yet raises ``Undecidable`` by itself, wherever it is read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, TypeVar

from typing_extensions import override


class Severity(StrEnum):
    """How much depends on a rule; Pulumi's words."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Undecidable(Exception):  # noqa: N818 - nothing went wrong, it is too early
    """What decides is not known before the update."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path
        """Where the unknown value stands, as ``dataEncryption.primaryKeyURI``."""


class _Unknown:
    @override
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
"""Stands in raw inputs for a value that a preview does not know."""


@dataclass(frozen=True)
class Secret:
    """Wraps a value of raw inputs that is stored encrypted."""

    value: Any

    @override
    def __repr__(self) -> str:
        return "Secret(...)"


class Properties(Mapping[str, Any]):
    """An object of a resource's inputs: what is unknown raises ``Undecidable`` where it is read."""

    def __init__(self, raw: Mapping[str, Any], path: str = "") -> None:
        self._raw = raw
        self._path = path

    @override
    def __getitem__(self, key: str) -> Any:
        return _shown(self._raw[key], f"{self._path}.{key}".lstrip("."))

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    @override
    def __len__(self) -> int:
        return len(self._raw)


class Items(Sequence[Any]):
    """A list of a resource's inputs; as ``Properties``."""

    def __init__(self, raw: Sequence[Any], path: str) -> None:
        self._raw = raw
        self._path = path

    @override
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return _shown(self._raw[index], f"{self._path}[{index}]")

    @override
    def __len__(self) -> int:
        return len(self._raw)


def _shown(raw: Any, path: str) -> Any:
    while isinstance(raw, Secret):
        raw = raw.value
    if raw is UNKNOWN:
        raise Undecidable(path)
    if isinstance(raw, Mapping):
        return Properties(raw, path)
    if isinstance(raw, list | tuple):
        return Items(raw, path)
    return raw


@dataclass(frozen=True, kw_only=True, eq=False)
class Resource:
    """One declared resource, without its provider."""

    type: str
    """As ``azure-native:dbforpostgresql:Server``."""
    name: str
    """Pulumi's logical name."""
    urn: str
    raw: Mapping[str, Any]
    """Inputs as the program gave them: plain data, ``UNKNOWN`` and ``Secret`` included."""
    protect: bool = False
    parent: str = ""
    """URN, or nothing."""
    dependencies: tuple[str, ...] = ()
    """URNs of what it waits for."""
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By input, the URNs of the resources whose outputs went into it."""
    id: str = ""
    """What its provider calls it; nothing before it is made."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What its provider answered, raw; nothing before it is made."""
    declared: bool = True
    """False of what a run leaves out, because it is not among its targets; then ``raw`` is what its
    provider answered, in which nothing is marked as a secret."""

    @cached_property
    def inputs(self) -> Properties:
        """The inputs, read with care: what is unknown says so."""
        return Properties(self.raw)

    def get(self, path: str, default: Any = None) -> Any:
        """Return what stands at ``a.b.0.c``; the default where any part of the way is absent."""
        found: Any = self.inputs
        for key in path.split("."):
            if isinstance(found, Items) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, Mapping) and key in found:
                found = found[key]
            else:
                return default
        return default if found is None else found

    def items(self, path: str) -> list[str]:
        """Return the paths of what a list holds: ``a.0`` and ``a.1`` of ``a``."""
        found = self.get(path)
        return [f"{path}.{i}" for i in range(len(found) if isinstance(found, Items) else 0)]

    def refers(self, path: str, other: "Resource", own: str = "id") -> bool:
        """Return whether what stands at a path names the other resource, by its ``own`` output.

        Where both sides are known, they must be the same.  An update does not tell ids; there, a
        known value must end with the other's own name in Azure, too.  Before anything is known,
        what the program put there decides.
        """
        try:
            named = self.get(path)
        except Undecidable:
            named = UNKNOWN
        answer = other.id if own == "id" else other.outputs.get(own, other.raw.get(own))
        if isinstance(named, str) and isinstance(answer, str) and answer:
            return named.casefold() == answer.casefold()
        top = path.split(".", maxsplit=1)[0]
        if other.urn not in self.property_dependencies.get(top, ()):
            return False
        return other.ends(named) if own == "id" and isinstance(named, str) else named is not None

    def ends(self, identifier: str) -> bool:
        """Return whether an id in Azure can be its own; one whose name is not known says yes."""
        own = self._own_name()
        return own is None or identifier.casefold().endswith(f"/{own}".casefold())

    def _own_name(self) -> str | None:
        """Return the last part of its id: the output ``name``, or what it was called when made."""
        if not self.type.startswith("azure-native:"):
            return None
        kind = self.type.rsplit(":", maxsplit=1)[-1]
        asked = f"{kind[:1].lower()}{kind[1:]}Name"
        told = (self.outputs.get("name"), self.raw.get(asked), self.raw.get("resourceName"))
        return next((name for name in told if isinstance(name, str) and name), None)


@dataclass(frozen=True)
class Stack:
    """All resources of a stack, as they are declared now."""

    resources: tuple[Resource, ...]
    environment: str
    """The stack's name."""

    def of_type(self, *types: str) -> list[Resource]:
        """Return the resources of these types."""
        return [found for wanted in types for found in self._by_type.get(wanted, ())]

    @cached_property
    def _by_type(self) -> dict[str, list[Resource]]:
        grouped: dict[str, list[Resource]] = {}
        for resource in self.resources:
            grouped.setdefault(resource.type, []).append(resource)
        return grouped

    def waits_for(self, resource: Resource, other: Resource) -> bool:
        """Return whether a resource is made only after the other, directly or not."""
        seen: set[str] = set()
        queue = list(resource.dependencies)
        while queue:
            urn = queue.pop()
            if urn == other.urn:
                return True
            if urn not in seen and urn in self._by_urn:
                queue += self._by_urn[urn].dependencies
            seen.add(urn)
        return False

    @cached_property
    def _by_urn(self) -> dict[str, Resource]:
        return {resource.urn: resource for resource in self.resources}


Fault = tuple[Resource | None, str]
"""The resource at fault, or nobody where something is missing; and what is wrong, in words."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that must be so, and who else says so."""

    name: str
    """As ``postgres-customer-managed-key``; what exceptions and evidence refer to."""
    title: str
    """One sentence, true of what complies."""
    severity: Severity
    remediation: str
    """What to change, in the words of the stack file or of the program's reader."""
    ai_rmf: tuple[str, ...]
    """Subcategories of NIST AI RMF 1.0, as ``MANAGE 2.4``."""
    sp800_53: tuple[str, ...] = ()
    """Controls of NIST SP 800-53 rev. 5, as ``SC-28(1)``; only where the mapping is sound."""
    azure_policy: tuple[str, ...] = ()
    """GUIDs of Azure's built-in definitions that ask for the same."""
    checkov: tuple[str, ...] = ()
    trivy: tuple[str, ...] = ()
    psrule: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    """Resource types that it looks at; none: it looks at the whole stack."""
    check: Callable[[Any], Iterator[Any]] = field(repr=False)
    """Of a resource: yields words.  Of a stack: yields ``Fault``."""

    @property
    def of_stack(self) -> bool:
        """Whether it is shown the whole stack."""
        return not self.types


RULES: dict[str, Rule] = {}
"""All rules by name, in the order in which their modules were read."""

ResourceCheck = Callable[[Resource], Iterator[str]]
StackCheck = Callable[[Stack], Iterator[Fault]]
R = TypeVar("R", bound=ResourceCheck)
S = TypeVar("S", bound=StackCheck)


def resource_rule(*types: str, name: str, title: str, **about: Any) -> Callable[[R], R]:
    """Register a function as the rule for resources of these types; ``about`` as in ``Rule``."""
    if not types:
        raise ValueError(f"{name}: a rule for resources names at least one type")

    def register(check: R) -> R:
        _add(Rule(name=name, title=title, types=types, check=check, **about))
        return check

    return register


def stack_rule(*, name: str, title: str, **about: Any) -> Callable[[S], S]:
    """Register a function as a rule for the whole stack."""

    def register(check: S) -> S:
        _add(Rule(name=name, title=title, check=check, **about))
        return check

    return register


def _add(rule: Rule) -> None:
    if rule.name in RULES:
        raise ValueError(f"two rules are called {rule.name}")
    RULES[rule.name] = rule
