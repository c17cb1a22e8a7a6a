"""The resource plugins that the engine starts: ``python -m local.cloud.plugin azure-native``.

The engine passes its address, reads the port from the first line of output, and
kills the plugin when it is done. An engine that is killed itself can do neither:
then the plugin finishes the write in hand and goes, so that nothing is left half
made and no process is left over.
"""

import os
import signal
import sys
import threading
from concurrent import futures
from importlib.metadata import version

import grpc

from local.cloud.face import Face
from local.cloud.protocol import provider_pb2_grpc
from local.cloud.sdk import PACKAGES

MAX_MESSAGE_BYTES = 400 * 1024 * 1024
"""As Pulumi's own SDKs: a kubeconfig or a program's archive may be large."""
WATCH_SECONDS = 0.5
GRACE_SECONDS = 600.0
"""How long a write may still take after the engine died; a server start is the longest."""
WORKERS = 32


def open_face(package: str, engine_address: str) -> Face:
    """Return what serves a Pulumi package; raises ``KeyError`` for one we do not serve."""
    released = version(PACKAGES[package])
    # Each imports its own: every plugin of every run would otherwise pay for the others.
    if package == "kubernetes":
        from local.cloud.kubernetes.engine_log import EngineLog  # noqa: PLC0415
        from local.cloud.kubernetes.provider import KubernetesProvider  # noqa: PLC0415
        from local.cloud.kubernetes.servicer import KubernetesServicer  # noqa: PLC0415

        log = EngineLog(engine_address)
        return KubernetesServicer(KubernetesProvider(log.warn, log.progress), released)
    from local.cloud.servicer import Servicer  # noqa: PLC0415

    if package == "azure-native":
        from local.cloud.azure import AzureProvider  # noqa: PLC0415 - PostgreSQL's drivers
        from local.cloud.resources import TYPES  # noqa: PLC0415
        from local.cloud.store import Store  # noqa: PLC0415
        from local.paths import Paths  # noqa: PLC0415

        return Servicer(AzureProvider(Store(Paths.current().cloud), TYPES), released)
    from local.cloud.random_types import RandomProvider  # noqa: PLC0415

    return Servicer(RandomProvider(), released)


def serve(face: Face, engine: int) -> None:
    """Serve until the engine, our parent process, is gone."""
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(WORKERS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(face, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    _wait_for_the_end(engine)
    face.give_up()
    server.stop(GRACE_SECONDS).wait()


def _wait_for_the_end(engine: int) -> None:
    """Return when the engine asks us to stop (an interrupt, in our own process group) or dies."""
    asked = threading.Event()
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, lambda *_: asked.set())
    while not asked.wait(WATCH_SECONDS) and os.getppid() == engine:
        pass


def main(arguments: list[str]) -> int:
    """Run one plugin: its arguments are the package's name and the engine's address."""
    engine = os.getppid()  # asked now: once orphaned, it is too late
    try:
        face = open_face(arguments[0], arguments[-1])
    except (IndexError, KeyError):
        found = arguments[0] if arguments else "nothing"
        sys.stderr.write(f"plugin: found {found!r}, allowed: {', '.join(PACKAGES)}\n")
        return 2
    serve(face, engine)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
