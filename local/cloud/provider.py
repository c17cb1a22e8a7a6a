"""What a provider is to the plugin server: plain bodies in, plain bodies out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from local.cloud.arm import ArmError, Body, Refusal
from local.cloud.wire import Path


@dataclass(frozen=True)
class Declared:
    """The Pulumi side of one resource."""

    urn: str
    seed: bytes = b""
    """From the engine; makes a generated name the same in preview and ``up``."""
    autonaming: str = "PROPOSE"
    """The engine's configuration: PROPOSE, ENFORCE or DISABLE."""
    proposed_name: str = ""

    @property
    def token(self) -> str:
        """Return the type token, without the types of the parents."""
        return self.urn.split("::")[2].rsplit("$", 1)[-1]

    @property
    def name(self) -> str:
        """Return the logical name."""
        return self.urn.split("::", 3)[3]


class Checked(NamedTuple):
    """Inputs with their defaults, and what is wrong with them."""

    inputs: Body
    failures: list[Refusal]


class Initialised(NamedTuple):
    """What stands after a write, and what of it failed."""

    id: str
    outputs: Body
    error: ArmError | None = None


class Standing(NamedTuple):
    """What a read found."""

    inputs: Body
    outputs: Body
    secrets: frozenset[Path] = frozenset()
    """What was marked when it was made; an import has no inputs to tell."""


class Provider(Protocol):
    """One Pulumi package. Errors are ``ArmError``; see ``AzureProvider`` for the words."""

    package: str

    def configure(self, values: Mapping[str, Any]) -> None: ...  # noqa: D102 - see the class

    def check(self, declared: Declared, olds: Body, news: Body) -> Checked: ...  # noqa: D102

    def replacing(self, token: str) -> frozenset[str]: ...  # noqa: D102

    def delete_first(self, inputs: Body) -> bool: ...  # noqa: D102

    def preview(self, token: str, inputs: Body, olds: Body | None) -> Body: ...  # noqa: D102

    def create(  # noqa: D102
        self, declared: Declared, inputs: Body, marked: frozenset[Path]
    ) -> Initialised: ...

    def read(  # noqa: D102
        self, token: str, id_: str, olds: Body, old_inputs: Body
    ) -> Standing | None: ...

    def update(  # noqa: D102
        self, token: str, id_: str, inputs: Body, marked: frozenset[Path]
    ) -> Initialised: ...

    def delete(self, token: str, id_: str) -> None: ...  # noqa: D102

    def invoke(self, token: str, inputs: Body) -> Body: ...  # noqa: D102

    def secret_outputs(self, token: str) -> frozenset[Path]: ...  # noqa: D102
