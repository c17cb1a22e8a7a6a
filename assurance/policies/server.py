"""Serves the pack to one engine."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import grpc
from pulumi.runtime.proto.analyzer_pb2_grpc import add_AnalyzerServicer_to_server

from assurance.policies import exceptions, rules
from assurance.policies.analyzer import Analyzer

LARGEST_MESSAGE = 400 * 1024 * 1024
"""Bytes; what the engine and Pulumi's own SDKs allow each other."""


def serve() -> None:
    """Judge until the engine ends this process; it reads the port from the first line."""
    today = datetime.now(UTC).date()
    analyzer = Analyzer(tuple(rules.load().values()), exceptions.kept(), today)
    server = grpc.server(
        ThreadPoolExecutor(max_workers=4),
        options=[("grpc.max_receive_message_length", LARGEST_MESSAGE)],
    )
    add_AnalyzerServicer_to_server(analyzer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
