"""An engine without an engine: calls the servicer in this process, with a clock of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest

from local.cloud.arm import Body
from local.cloud.azure import AzureProvider
from local.cloud.protocol import provider_pb2
from local.cloud.resources import TYPES
from local.cloud.servicer import Servicer
from local.cloud.store import Store
from local.cloud.wire import Path as Marked
from local.cloud.wire import decode, encode
from local.cloud.world import World

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
TENANT = "00000000-0000-0000-0000-0000000000aa"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
WITHOUT_POSTGRES = tuple(t for t in TYPES if not t.type.startswith("Microsoft.DBforPostgreSQL"))


class Refused(Exception):  # noqa: N818 - what happened, as the tests read it
    """What the engine would show; status, text and trailing metadata."""

    def __init__(self, code: grpc.StatusCode, text: str, metadata: object = ()) -> None:
        super().__init__(text)
        self.code = code
        self.metadata = metadata


class Context:
    """The part of gRPC's context that a servicer uses."""

    metadata: object = ()

    def set_trailing_metadata(self, metadata: object) -> None:
        self.metadata = metadata

    def abort(self, code: grpc.StatusCode, text: str) -> NoReturn:
        raise Refused(code, text, self.metadata)


class Clock:
    """Stands still until a test turns it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Engine:
    """Checks and creates resources as the engine does, and reads them back as plain bodies."""

    def __init__(self, folder: Path, **config: str) -> None:
        self.clock = Clock()
        self.store = Store(folder)
        self.provider = AzureProvider(self.store, WITHOUT_POSTGRES, clock=self.clock)
        self.servicer = Servicer(self.provider, "3.29.0")
        known = {"subscriptionId": SUBSCRIPTION, "tenantId": TENANT, "location": "westeurope"}
        self.provider.configure({**known, **config})

    @property
    def world(self) -> World:
        return self.provider.world

    def urn(self, token: str, name: str) -> str:
        package = "" if token.startswith("random:") else "azure-native:"
        return f"urn:pulumi:dev::engram::{package}{token}::{name}"

    def call(self, method: str, message: Any) -> Any:
        return getattr(self.servicer, method)(message, Context())

    def check(self, token: str, inputs: Body, name: str = "it", **more: Any) -> Any:
        olds, marked = more.pop("olds", {}), more.pop("marked", ())
        return self.call(
            "Check",
            provider_pb2.CheckRequest(
                urn=self.urn(token, name),
                olds=encode(olds),
                news=encode(inputs, marked),
                randomSeed=b"seed",
                **more,
            ),
        )

    def failures(self, token: str, inputs: Body) -> list[tuple[str, str]]:
        return [(f.property, f.reason) for f in self.check(token, inputs).failures]

    def create(
        self, token: str, inputs: Body, name: str = "it", marked: frozenset[Marked] = frozenset()
    ) -> tuple[str, Body]:
        """Check, create, and return id and outputs; what is refused raises ``Refused``."""
        checked = self.check(token, inputs, name, marked=marked)
        if checked.failures:
            failure = checked.failures[0]
            raise Refused(grpc.StatusCode.OK, f"{failure.property}: {failure.reason}")
        made = self.call(
            "Create",
            provider_pb2.CreateRequest(urn=self.urn(token, name), properties=checked.inputs),
        )
        return made.id, decode(made.properties)[0]

    def update(self, token: str, id_: str, inputs: Body, name: str = "it") -> Body:
        checked = self.check(token, inputs, name)
        if checked.failures:
            raise Refused(grpc.StatusCode.OK, checked.failures[0].reason)
        request = provider_pb2.UpdateRequest(id=id_, urn=self.urn(token, name), news=checked.inputs)
        return decode(self.call("Update", request).properties)[0]

    def read(self, token: str, id_: str, **state: Any) -> Any:
        return self.call(
            "Read", provider_pb2.ReadRequest(id=id_, urn=self.urn(token, "it"), **state)
        )

    def delete(self, token: str, id_: str) -> None:
        self.call("Delete", provider_pb2.DeleteRequest(id=id_, urn=self.urn(token, "it")))


@pytest.fixture
def new_engine(tmp_path: Path) -> Callable[..., Engine]:
    return lambda **config: Engine(tmp_path / "cloud", **config)


@pytest.fixture
def engine(new_engine: Callable[..., Engine]) -> Engine:
    """An engine whose cloud holds one resource group."""
    engine = new_engine()
    engine.create("resources:ResourceGroup", {"resourceGroupName": "rg"})
    return engine
