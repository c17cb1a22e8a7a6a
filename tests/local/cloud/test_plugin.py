"""The plugin as the engine meets it: a process, a port, and an end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2

from local.cloud import plugin
from local.cloud.protocol import provider_pb2, provider_pb2_grpc
from local.cloud.wire import decode, encode

# A stand-in for the engine: starts a plugin, says which, and waits to be killed.
ENGINE = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-u", "-m", "local.cloud.plugin", "random", "here:1"])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-u", "-m", "local.cloud.plugin", "azure-native", "127.0.0.1:1"]
    environment = {**os.environ, "ENGRAM_LOCAL": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as started:
        yield started
        started.kill()


@pytest.mark.parametrize("request_to_stop", [signal.SIGINT, signal.SIGTERM])
def test_answers_on_the_port_it_prints_and_stops_when_asked(
    process: subprocess.Popen[str], request_to_stop: signal.Signals
) -> None:
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        assert stub.GetPluginInfo(empty_pb2.Empty()).version
        assert stub.Handshake(provider_pb2.ProviderHandshakeRequest()).accept_secrets
        configuration = encode({"location": "westeurope"})
        assert stub.Configure(provider_pb2.ConfigureRequest(args=configuration)).acceptSecrets
        asked = provider_pb2.CheckRequest(
            urn="urn:pulumi:dev::engram::azure-native:resources:ResourceGroup::rg"
        )
        assert decode(stub.Check(asked).inputs)[0]["location"] == "westeurope"
    process.send_signal(request_to_stop)
    assert process.wait(10) == 0


def test_goes_when_its_engine_is_killed() -> None:
    command = [sys.executable, "-c", ENGINE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        pid = int(engine.stdout.readline())
        engine.stdout.readline()  # the port: the plugin is up
        engine.kill()
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


@pytest.mark.parametrize("arguments", [[], ["aws"]])
def test_names_what_it_serves(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert plugin.main(arguments) == 2
    assert "allowed: azure-native, kubernetes, random" in capsys.readouterr().err
