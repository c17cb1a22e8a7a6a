"""What every plugin says alike: who it is, that it keeps secrets, and how it fails."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import grpc
from google.protobuf import any_pb2

from local.cloud.protocol import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

Context = grpc.ServicerContext
DETAILS = "grpc-status-details-bin"


class Partial(NamedTuple):
    """A write that failed, and what stands all the same."""

    id: str
    message: str
    outputs: Any
    """On the wire, as the state keeps it."""
    inputs: Any
    reasons: tuple[str, ...] = ()
    """What is wrong in detail; the message is always the first reason."""


class Face(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine; a refusal of the provider reaches it as words, never as a traceback."""

    refusals: ClassVar[tuple[type[Exception], ...]] = ()
    """The provider's own errors; any other is a defect, and shown as one."""

    def __init__(self, version: str) -> None:
        self.version = version

    def Handshake(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Agree on secrets and autonaming."""
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, supports_autonaming_configuration=True
        )

    def GetPluginInfo(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Return the version of the SDK that we stand in for."""
        return plugin_pb2.PluginInfo(version=self.version)

    def code(self, refusal: Exception) -> grpc.StatusCode:
        """Return the status that goes with a refusal."""
        del refusal
        return grpc.StatusCode.UNKNOWN

    def give_up(self) -> None:
        """End what only waits: the engine is gone, or was told to stop.

        A write in hand is finished by default, as half of one helps nobody.
        """

    def answer(self, context: Context, work: Callable[[], Any]) -> Any:
        """Do the work, or abort with what the provider refuses."""
        try:
            return work()
        except self.refusals as refusal:
            context.abort(self.code(refusal), str(refusal))

    def abort_partial(self, context: Context, failed: Partial) -> None:
        """Fail, but let the engine keep what there is."""
        detail = any_pb2.Any()
        detail.Pack(
            provider_pb2.ErrorResourceInitFailed(
                id=failed.id,
                properties=failed.outputs,
                reasons=[failed.message, *failed.reasons],
                inputs=failed.inputs,
            )
        )
        status = status_pb2.Status(
            code=grpc.StatusCode.UNKNOWN.value[0], message=failed.message, details=[detail]
        )
        context.set_trailing_metadata(((DETAILS, status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, failed.message)
