"""A real HTTP server on loopback that speaks the OpenAI embeddings protocol, and misbehaves."""

import base64
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], Any]
"""Status, headers, and a body that becomes JSON."""
Fault = Callable[[Sequence[str], Reply], Reply]
"""What a request gets instead of the right reply."""


@dataclass
class Endpoint:
    """What was asked, and what shall go wrong with the next requests, in order."""

    model: Callable[[Sequence[str]], Sequence[Sequence[float]]]
    faults: list[Fault | None] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies, with the path and the authorization as ``_path`` and ``_key``."""
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def texts(self) -> list[str]:
        """Every text that was ever sent, in order."""
        return [text for request in self.requests for text in request["input"]]

    def reply(self, request: dict[str, Any]) -> Reply:
        with self.lock:
            self.requests.append(request)
            fault = self.faults.pop(0) if self.faults else None
        texts = request["input"]
        right: Reply = (200, {}, self._body(texts, request.get("encoding_format")))
        return fault(texts, right) if fault else right

    def _body(self, texts: Sequence[str], form: str | None) -> dict[str, Any]:
        data = [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, form)}
            for index, vector in enumerate(self.model(texts))
        ]
        tokens = sum(len(text.split()) for text in texts)
        return {
            "object": "list",
            "model": "m",
            "data": data[::-1],  # the order is in the index, and nowhere else
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


def _encoded(vector: Sequence[float], form: str | None) -> Any:
    if form != "base64":
        return list(vector)
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def busy(seconds: str, status: int = 429) -> Fault:
    error = {"error": {"message": "Rate limit for content 7", "code": "rate_limit_exceeded"}}
    return lambda _, __: (status, {"Retry-After": seconds}, error)


def broken(status: int, message: str = "it quotes content 7", code: str | None = None) -> Fault:
    return lambda _, __: (status, {}, {"error": {"message": message, "code": code}})


def slow(seconds: float) -> Fault:
    def wait(_: Sequence[str], right: Reply) -> Reply:
        time.sleep(seconds)
        return right

    return wait


def short(_: Sequence[str], right: Reply) -> Reply:
    body = {**right[2], "data": right[2]["data"][:-1]}
    return (*right[:2], body)


def wrong_dimension(_: Sequence[str], right: Reply) -> Reply:
    data = [{**item, "embedding": [1.0, 2.0, 3.0]} for item in right[2]["data"]]
    return (*right[:2], {**right[2], "data": data})


def refuses(text: str) -> Fault:
    """A model that finds one text too long, whatever is beside it."""

    def judge(texts: Sequence[str], right: Reply) -> Reply:
        error = {"error": {"message": f"too long: {text}", "code": "context_length_exceeded"}}
        return (400, {}, error) if text in texts else right

    return judge


@contextmanager
def serving(model: Callable[[Sequence[str]], Sequence[Sequence[float]]]) -> Iterator[Endpoint]:
    """Serve until the end of the block."""
    endpoint = Endpoint(model)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = self.headers.get("api-key") or self.headers.get("Authorization")
            status, headers, answer = endpoint.reply({**body, "_path": self.path, "_key": key})
            data = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
