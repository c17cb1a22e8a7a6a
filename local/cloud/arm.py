"""The contract of the local cloud: what a resource type is, and how Azure says no.

A type is one file in ``resources/`` and one line in its ``TYPES``. The plugin
server does what all of them share (previews, secrets, unknowns, autonaming,
locations, diffs, refusing an existing resource, locks, busy parents), so that a
type is left with what only Azure knows about it.

Bodies are the wire shape of pulumi-azure-native: flattened as the SDK does it,
not the ``properties`` envelope of the REST API.
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

if TYPE_CHECKING:
    from local.cloud.world import World

Body = dict[str, Any]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine sends in a preview for a value that only an ``up`` will know."""


class ArmError(Exception):
    """Azure's refusal: HTTP status, error code and words, as the REST API gives them."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')
        self.status = status
        self.code = code
        self.message = message


class PartialFailure(ArmError):  # noqa: N818 - what it is, not only an error
    """The resource exists, but not as asked for; Pulumi keeps it in its state.

    Raised by ``create`` or ``update`` with the outputs of what there is now.
    """

    def __init__(self, error: ArmError, outputs: Body) -> None:
        super().__init__(error.status, error.code, error.message)
        self.outputs = outputs


class Refusal(NamedTuple):
    """One mistake that the inputs alone give away."""

    path: str
    """The input's wire path, e.g. ``storage.storageSizeGB``."""
    code: str
    message: str
    """What was found and what is allowed."""


@dataclass(frozen=True)
class Record:
    """One resource that stands in the local cloud."""

    arm_id: str
    type: str
    """ARM's name of the type, e.g. ``Microsoft.KeyVault/vaults``."""
    inputs: Body
    """What the last write asked for, without ``ResourceType.secrets``."""
    outputs: Body
    """What a GET answers, without ``ResourceType.secrets``."""
    urn: str = ""
    """The Pulumi resource that created it; how a crashed ``up`` finds it again."""
    created_at: float = 0.0
    """Seconds since the epoch; the store fills it in."""
    secrets: frozenset[tuple[str | int, ...]] = frozenset()
    """Paths of inputs that the program marked as secret."""
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the name, the last segment of the id."""
        object.__setattr__(self, "name", self.arm_id.rsplit("/", 1)[-1])


class ResourceType:
    """What Azure knows about one type of resource; subclasses fill in the attributes.

    ``create``, ``update`` and ``delete`` run inside one write transaction of the
    store: what they raise undoes what they wrote. A type that works for longer
    than a moment sets ``slow``; its hooks then run outside of any transaction
    and open their own with ``world.transaction()`` around each short write.
    Either way the plugin server stores the returned outputs afterwards, so a
    hook writes only *other* records and private data.
    """

    token: ClassVar[str]
    """Pulumi's type token, e.g. ``azure-native:keyvault:Vault``."""
    type: ClassVar[str]
    """ARM's type, e.g. ``Microsoft.KeyVault/vaults``."""
    api_version: ClassVar[str]
    path: ClassVar[str]
    """ARM id with wire inputs in braces; ``{subscriptionId}`` comes from the provider.

    The inputs named here are the path arguments: a change of one replaces the
    resource, and none of them is part of the outputs. The last one is the name.
    """
    immutable: ClassVar[tuple[str, ...]] = ()
    """Further wire paths whose change replaces the resource."""
    secrets: ClassVar[tuple[str, ...]] = ()
    """Wire paths of write-only inputs; never stored in a record and never answered."""
    autoname: ClassVar[Literal["random", "uuid", "copy"]] = "random"
    singleton: ClassVar[bool] = False
    """Azure creates it itself, so that a create adopts it (server parameters)."""
    slow: ClassVar[bool] = False

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Yield what is wrong with the inputs alone; pure, also run in previews.

        Use ``lookup`` (an unknown value reads as ``None``) and ``given`` (an unknown
        value counts as given).
        """
        yield from ()

    def admit(self, world: "World", arm_id: str, inputs: Body, old: Record | None) -> None:
        """Raise what Azure refuses in the light of everything else that stands.

        Runs in a write transaction before ``create`` (``old`` is ``None``) and ``update``.
        """

    def foresee(self, inputs: Body) -> Body:
        """Return what a preview knows of the outputs, where it is not simply the inputs."""
        return inputs

    def create(self, world: "World", arm_id: str, inputs: Body) -> Body:
        """Make it and return its outputs; ``inputs`` are complete and in clear."""
        del world
        return self.echo(arm_id, inputs)

    def read(self, world: "World", record: Record) -> Body:
        """Return the outputs of now; must be stable, or ``refresh`` shows a drift."""
        del world
        return record.outputs

    def update(self, world: "World", record: Record, inputs: Body) -> Body:
        """Change it in place and return its outputs; ``record`` is what stood before."""
        del world
        return {**record.outputs, **self.echo(record.arm_id, inputs)}

    def delete(self, world: "World", record: Record) -> None:
        """Take down what stands behind the record; the record itself is removed for you."""

    def serialised_on(self, arm_id: str, inputs: Body) -> str | None:
        """Return the id that admits one write at a time, or ``None`` where all may write."""
        return None

    def busy(self, holder: str) -> ArmError:
        """Return the answer to a write while ``holder`` (an id) is busy with another."""
        return ArmError(
            409,
            "AnotherOperationInProgress",
            f"Another operation on this or dependent resource is in progress: {holder}",
        )

    def watch(self, world: "World", changed: str) -> None:
        """Hear of every committed write or delete of any resource, after the commit.

        Flexible servers look again here whether their key, vault, identity and role
        assignment still let them run.
        """

    # -- what follows is derived; no subclass overrides it --------------------------

    @cached_property
    def path_inputs(self) -> tuple[str, ...]:
        """Return the inputs in the path, in order, without the subscription."""
        names = (name for _, name, _, _ in string.Formatter().parse(self.path) if name)
        return tuple(name for name in names if name != "subscriptionId")

    @property
    def name_input(self) -> str:
        """Return the input that names the resource."""
        return self.path_inputs[-1]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = string.Formatter().parse(self.path)
        return re.compile(
            "".join(
                re.escape(text)
                + (f"(?P<{name}>{'.+' if name in SCOPE_INPUTS else '[^/]+'})" if name else "")
                for text, name, _, _ in parts
            ),
            re.IGNORECASE,
        )

    def arm_id(self, subscription_id: str, inputs: Body) -> str:
        """Return the ARM id; raises ``KeyError`` for a missing path input."""
        wanted = {name: str(inputs[name]).rstrip("/") for name in self.path_inputs}
        return self.path.format(subscriptionId=subscription_id, **wanted)

    def parse(self, arm_id: str) -> Body | None:
        """Return the path inputs of an ARM id, or ``None`` when it is of another type."""
        match = self._pattern.fullmatch(arm_id)
        if match is None:
            return None
        return {name: match[name] for name in self.path_inputs}

    def echo(self, arm_id: str, inputs: Body) -> Body:
        """Return the inputs as Azure answers them: no path arguments, no secrets, name, type."""
        body = {k: v for k, v in inputs.items() if k not in self.path_inputs}
        body = without(body, self.secrets)
        return {**body, "name": arm_id.rsplit("/", 1)[-1], "type": self.type}


SCOPE_INPUTS = ("scope", "resourceUri")
"""Path inputs that hold a whole ARM id."""


def lookup(body: Body, path: str) -> Any:
    """Return the value at a dotted path; ``None`` when it is absent or not yet known."""
    value: Any = body
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return None if value == UNKNOWN else value


def given(body: Body, path: str) -> bool:
    """Return whether a dotted path is set; a value or parent not yet known counts as set."""
    value: Any = body
    for step in path.split("."):
        if value == UNKNOWN:
            return True
        if not isinstance(value, dict) or value.get(step) is None:
            return False
        value = value[step]
    return True


def without(body: Body, paths: tuple[str, ...]) -> Body:
    """Return a copy of the body that lacks the dotted paths."""
    for path in paths:
        head, _, tail = path.partition(".")
        if head not in body:
            continue
        if not tail:
            body = {k: v for k, v in body.items() if k != head}
        elif isinstance(body[head], dict):
            body = {**body, head: without(body[head], (tail,))}
    return body


def scope_contains(scope: str, arm_id: str) -> bool:
    """Return whether ``arm_id`` is ``scope`` or lies below it; ids ignore case."""
    above, below = scope.rstrip("/").lower(), arm_id.lower()
    return below == above or below.startswith(above + "/")


def parent_of(arm_id: str) -> str | None:
    """Return the id that must stand before this one can; ``None`` for a resource group.

    That of a nested resource is the outer one, of an extension (a lock, a role
    assignment) its scope, of everything else the resource group.
    """
    head, _, tail = arm_id.rpartition("/providers/")
    if not head:
        return None
    segments = tail.split("/")
    return head if len(segments) <= 3 else arm_id.rsplit("/", 2)[0]  # noqa: PLR2004 - ns/type/name


def resource_group_of(arm_id: str) -> str | None:
    """Return the id of the resource group an id lies in, if it lies in one."""
    match = re.match(r"/subscriptions/[^/]+/resourceGroups/[^/]+", arm_id, re.IGNORECASE)
    return match[0] if match else None
