"""memory/embeddings: a real endpoint on loopback, with everything that endpoints do wrong."""

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from memory.embeddings import client as module
from memory.embeddings.client import EmbeddingsClient, client_from_environment
from memory.embeddings.errors import (
    EmbeddingError,
    EndpointBusy,
    EndpointRefused,
    EndpointUnset,
    WrongAnswer,
)
from tests.memory.operations import embeddings_server as server
from tests.memory.operations.embeddings_server import Endpoint, Fault, serving
from tests.memory.operations.reembedding import NEW, new_model

TEXTS = ["content 7", "a text", "another"]
VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY",
             "OPENAI_API_VERSION")  # fmt: skip


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A working endpoint that the environment names."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with serving(new_model) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k-secret")
        yield running


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[EmbeddingsClient]:
    assert endpoint.url
    with client_from_environment("m", NEW) as opened:
        yield opened


def test_vectors_come_in_the_order_of_the_texts(
    client: EmbeddingsClient, endpoint: Endpoint
) -> None:
    answer = client.answer(TEXTS)
    assert [list(vector) for vector in answer.vectors] == new_model(TEXTS)
    assert answer.tokens == 5
    request = endpoint.requests[0]
    assert (request["model"], request["_key"]) == ("m", "Bearer k-secret")
    assert "dimensions" not in request


def test_a_shorter_vector_is_asked_for_only_on_order(endpoint: Endpoint) -> None:
    with client_from_environment("m", NEW, shorten=True) as client:
        client.answer(TEXTS)
    assert endpoint.requests[0]["dimensions"] == NEW


def test_azure_is_asked_by_deployment(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint.url.removesuffix("/v1"))
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    monkeypatch.delenv("OPENAI_BASE_URL")
    with client_from_environment("large", NEW) as client:
        client.answer(TEXTS)
    request = endpoint.requests[0]
    assert request["_path"] == "/openai/deployments/large/embeddings?api-version=2024-10-21"
    assert request["_key"] == "azure-key"


@pytest.mark.parametrize("azure", [False, True])
def test_no_endpoint_is_said_with_the_variables(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, *, azure: bool
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    if azure:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint.url)
    with pytest.raises(EndpointUnset, match="AZURE_OPENAI_API_KEY and OPENAI_API_VERSION"):
        client_from_environment("m", NEW)


MILLISECONDS: Fault = lambda _, __: (429, {"retry-after-ms": "50"}, {})  # noqa: E731 - a table's cell
PASSING: dict[str, tuple[Fault, float]] = {
    "429 with seconds": (server.busy("1"), 1.0),
    "429 with a date": (server.busy(formatdate(time.time() + 0, usegmt=True)), 0.0),
    "429 with milliseconds": (MILLISECONDS, 0.05),
    "429 without a word": (server.broken(429), 0.25),
    "500": (server.broken(500), 0.25),
    "503 with seconds": (server.busy("0.1", 503), 0.1),
    "408": (server.broken(408), 0.25),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_waited_for_as_long_as_the_endpoint_says(
    client: EmbeddingsClient, endpoint: Endpoint, fault: str
) -> None:
    said: list[str] = []
    client.waiting = said.append
    (reply, seconds) = PASSING[fault]
    endpoint.faults = [reply]
    began = time.monotonic()
    assert [list(vector) for vector in client(TEXTS)] == new_model(TEXTS)
    assert time.monotonic() - began >= seconds
    assert len(endpoint.requests) == 2
    assert "content 7" not in "".join(said)


FINAL: dict[str, tuple[Fault, type[EmbeddingError], str, bool | None]] = {
    "a text too long": (server.refuses("a text"), EndpointRefused, "400, code context_len", True),
    "a wrong key": (server.broken(401), EndpointRefused, "401", False),
    "no such model": (server.broken(404), EndpointRefused, "404", False),
    "no money": (server.broken(429, code="insufficient_quota"), EndpointRefused,
                 "insufficient_quota", False),
    "a short answer": (server.short, WrongAnswer, "3 texts were sent and 2 vectors", None),
    "a wrong dimension": (server.wrong_dimension, WrongAnswer, "3 dimensions, 12 are", None),
    "not the protocol": (lambda _, __: (200, {}, {"ok": True}), WrongAnswer, "protocol", None),
    "a page": (lambda _, __: (200, {}, "<html>"), WrongAnswer, "protocol", None),
}  # fmt: skip


@pytest.mark.parametrize("fault", FINAL)
def test_what_does_not_pass_is_said_at_once_and_quotes_nothing(
    client: EmbeddingsClient, endpoint: Endpoint, fault: str
) -> None:
    reply, kind, text, at_fault = FINAL[fault]
    endpoint.faults = [reply]
    with pytest.raises(kind, match=text) as caught:
        client.answer(TEXTS)
    assert len(endpoint.requests) == 1
    assert "content 7" not in str(caught.value)
    assert getattr(caught.value, "inputs_are_at_fault", None) is at_fault


def test_patience_ends(client: EmbeddingsClient, endpoint: Endpoint) -> None:
    client.retry_seconds = 0.5
    endpoint.faults = [server.busy("60")]
    with pytest.raises(EndpointBusy, match=r"429.*tried 1 times in 0 s.*--requests-per-minute"):
        client.answer(TEXTS)


def test_a_slow_answer_is_asked_for_again(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.3)
    endpoint.faults = [server.slow(0.8)]
    with client_from_environment("m", NEW) as client:
        assert [list(vector) for vector in client(TEXTS)] == new_model(TEXTS)
    assert len(endpoint.requests) == 2


@pytest.mark.usefixtures("endpoint")
def test_an_endpoint_that_is_gone_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    client = client_from_environment("m", NEW)
    client.retry_seconds = 0.1
    with pytest.raises(EndpointBusy, match="out of reach"):
        client.answer(TEXTS)


@pytest.mark.usefixtures("endpoint")
def test_the_package_may_not_print_requests(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client_from_environment("m", NEW).answer(TEXTS)
    assert "content 7" not in caplog.text
