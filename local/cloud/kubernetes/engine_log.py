"""What the user reads while the engine works: warnings and progress of one resource."""

from typing import Any

import grpc

from local.cloud.protocol import engine_pb2, engine_pb2_grpc

SECONDS = 5.0


class EngineLog:
    """Passes words on to the engine that started us; silence where it does not listen."""

    def __init__(self, address: str) -> None:
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))
        self._shown: dict[str, str] = {}

    def warn(self, urn: str, message: str) -> None:
        """Show a warning that stays in the summary of the run."""
        self._say(engine_pb2.WARNING, urn, message, ephemeral=False)

    def progress(self, urn: str, message: str) -> None:
        """Show what is waited for, if that is new; the next such line takes its place."""
        if self._shown.get(urn, "") != message:
            self._shown[urn] = message
            self._say(engine_pb2.INFO, urn, message, ephemeral=True)

    def _say(self, severity: Any, urn: str, message: str, *, ephemeral: bool) -> None:
        request = engine_pb2.LogRequest(
            severity=severity, urn=urn, message=message, ephemeral=ephemeral
        )
        try:
            self._engine.Log(request, timeout=SECONDS)
        except grpc.RpcError:
            return  # the engine is on its way out, and so are its readers
