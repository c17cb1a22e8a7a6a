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

from local.cloud.protocol import provider_pb2_grpc
from local.cloud.provider import Provider
from local.cloud.random_types import RandomProvider
from local.cloud.sdk import PACKAGES
from local.cloud.servicer import Servicer
from local.cloud.store import Store
from local.paths import Paths

MAX_MESSAGE_BYTES = 400 * 1024 * 1024
"""As Pulumi's own SDKs: a kubeconfig or a program's archive may be large."""
WATCH_SECONDS = 0.5
GRACE_SECONDS = 600.0
"""How long a write may still take after the engine died; a server start is the longest."""
WORKERS = 32


def open_provider(package: str) -> Provider:
    """Return the provider of a Pulumi package; raises ``KeyError`` for one we do not serve."""
    if package == "random":
        return RandomProvider()
    if package == "azure-native":
        # Only here: the random plugin of every run would otherwise pay for PostgreSQL's drivers.
        from local.cloud.azure import AzureProvider  # noqa: PLC0415
        from local.cloud.resources import TYPES  # noqa: PLC0415

        return AzureProvider(Store(Paths.current().cloud), TYPES)
    raise KeyError(package)


def serve(provider: Provider, engine: int) -> None:
    """Serve until the engine, our parent process, is gone."""
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(WORKERS), options=options)
    servicer = Servicer(provider, version(PACKAGES[provider.package]))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    _wait_for_the_end(engine)
    server.stop(GRACE_SECONDS).wait()


def _wait_for_the_end(engine: int) -> None:
    """Return when the engine asks us to stop (an interrupt, in our own process group) or dies."""
    asked = threading.Event()
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, lambda *_: asked.set())
    while not asked.wait(WATCH_SECONDS) and os.getppid() == engine:
        pass


def main(arguments: list[str]) -> int:
    """Run one plugin; the engine's address follows the package's name and is not needed."""
    engine = os.getppid()  # asked now: once orphaned, it is too late
    try:
        provider = open_provider(arguments[0])
    except (IndexError, KeyError):
        found = arguments[0] if arguments else "nothing"
        sys.stderr.write(f"plugin: found {found!r}, allowed: {', '.join(PACKAGES)}\n")
        return 2
    serve(provider, engine)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
