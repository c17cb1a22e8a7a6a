"""The real service as a process: its environment, its log, its two ports."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

KEY, SPARE_KEY, ACMES_KEY = "first-key-0123456789", "spare-key-0123456789", "acmes-key-0123456789"
START_SECONDS = 90
LOOPBACK = "127.0.0.1"


@dataclass
class Service:
    """A running service."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    port: int = 0
    metrics_port: int = 0
    reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def client(self, key: str | None = KEY, **headers: str) -> httpx.Client:
        own = {"Authorization": f"Api-Key {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers={**own, **headers}, timeout=30)

    def metrics(self) -> str:
        return httpx.get(f"http://{LOOPBACK}:{self.metrics_port}/metrics").text

    def figure(self, name: str) -> float:
        """One sample, by its name with labels."""
        found = [line for line in self.metrics().splitlines() if line.startswith(f"{name} ")]
        return float(found[0].split()[-1]) if found else 0.0

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def read(self) -> None:
        """Wait until the last line of a service that has ended is there."""
        if self.reader is not None:
            self.reader.join(10)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def running(environment: Mapping[str, str], module: str = "memory.service") -> Iterator[Service]:
    """Start it, wait until it serves, and end it whatever happens."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        env={**kept, **environment},
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    service = Service(process)
    service.reader = reader = threading.Thread(target=_read, args=(service,), daemon=True)
    reader.start()
    try:
        _wait(service)
        yield service
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join(5)
        if process.stdout:
            process.stdout.close()


def _read(service: Service) -> None:
    if service.process.stdout is None:
        raise AssertionError("stdout is a pipe")
    for line in service.process.stdout:
        service.lines.append(line.rstrip("\n"))


def _wait(service: Service) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.process.poll() is None:
        for event in service.events:
            if event.get("event") == "serving":
                service.port, service.metrics_port = event["port"], event["metrics_port"]
                if _answers(service):
                    return
        time.sleep(0.02)
    raise AssertionError("it does not serve: " + "\n".join(service.lines[-20:]))


def _answers(service: Service) -> bool:
    try:
        return httpx.get(f"{service.url}/livez", timeout=5).is_success
    except httpx.TransportError:
        return False
