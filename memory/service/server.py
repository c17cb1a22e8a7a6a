"""Two listeners and an orderly end."""

import gc
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from prometheus_client import start_http_server
from typing_extensions import override

from memory.schema.connection import Endpoint
from memory.service.app import create_app
from memory.service.metrics import Metrics
from memory.service.settings import Settings

DRAIN_SECONDS = 50
"""For requests that are under way at SIGTERM: less than the pod is given."""
IDLE_SECONDS = 75
"""Longer than the gateway keeps a connection, so that it is the one to close it."""
BACKLOG = 1024
LOG = structlog.get_logger("memory.service")


class Server(uvicorn.Server):
    """Ends with success when it was told to end."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do as uvicorn does, but do not raise the signal again: the end was an orderly one."""
        told = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in told}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(settings: Settings, endpoint: Endpoint) -> None:
    """Serve until SIGTERM or SIGINT.  Raises OSError where a port is taken."""
    metrics = Metrics()
    app = create_app(settings, endpoint, metrics)
    listener = socket.create_server((settings.host, settings.port), backlog=BACKLOG)
    exporter, thread = start_http_server(
        settings.metrics_port, addr=settings.host, registry=metrics.registry
    )
    LOG.info("serving", port=listener.getsockname()[1], metrics_port=exporter.server_port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        log_level=logging.getLogger().level,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=IDLE_SECONDS,
        proxy_headers=False,
        ws="none",
    )
    gc.freeze()  # what is there by now stays: no collection needs to look at it
    try:
        Server(config).run(sockets=[listener])
    finally:
        exporter.shutdown()
        thread.join(timeout=1)
    LOG.info("ended")
