"""Nobody passes without a key, no tenant sees another's, and every refusal has one form."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from memory.service.callers import Callers, parse_keys
from memory.service.errors import Forbidden, Unauthorized
from tests.memory.service.conftest import Audit, Environment
from tests.memory.service.memories import error_of, memory, vector
from tests.memory.service.running import KEY, SPARE_KEY, Service

STRANGERS: dict[str, dict[str, str]] = {
    "no header": {},
    "another scheme": {"Authorization": f"Bearer {KEY}"},
    "no such key": {"Authorization": "Api-Key another-key-0123456789"},
    "a key's beginning": {"Authorization": f"Api-Key {KEY[:-1]}"},
    "two keys": {"Authorization": f"Api-Key {KEY},{SPARE_KEY}"},
    "in another header": {"X-Api-Key": KEY},
}
PATHS = [
    ("POST", "/memories"),
    ("POST", "/memories/search"),
    ("DELETE", "/memories"),
    ("GET", "/x"),
]


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_gets_nowhere(service: Service, name: str) -> None:
    with service.client(key=None) as client:
        for method, path in PATHS:
            answer = client.request(method, path, headers=STRANGERS[name], json={})
            assert error_of(answer) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Api-Key"


def test_both_keys_are_valid_and_told_apart_in_the_audit(service: Service, audit: Audit) -> None:
    for key, subject in ((KEY, None), (SPARE_KEY, None), (KEY, "oid-1"), (KEY, "a b\n")):
        headers = {} if subject is None else {"X-Engram-Subject": subject.strip()}
        with service.client(key, **headers) as client:
            assert client.post("/memories/search", json={"embedding": vector(1)}).is_success
    actors = [row[1] for row in audit()]
    assert actors[0] != actors[1]
    assert actors[2] == f"{actors[0]}/oid-1"
    assert actors[3] == actors[0]


def test_a_replaced_file_of_keys_counts_at_once(service: Service, environment: Environment) -> None:
    file = Path(environment["ENGRAM_API_KEYS_FILE"])
    before = file.read_text()
    try:
        file.write_text("renewed-key-0123456789\n")
        with service.client("renewed-key-0123456789") as new, service.client(KEY) as old:
            assert new.post("/memories/search", json={"embedding": vector(1)}).is_success
            assert error_of(old.get("/memories/x")) == (401, "unauthorized")
        file.write_text("\n")  # a renewal gone wrong: what was there before stands
        with service.client("renewed-key-0123456789") as new:
            assert new.post("/memories/search", json={"embedding": vector(1)}).is_success
    finally:
        file.write_text(before)


KEYS: dict[str, tuple[str, Callable[[Callers], Any], object]] = {
    "unbound": ("k" * 16, lambda c: c.who(f"Api-Key {'k' * 16}", None, None).tenant, "default"),
    "unbound, asks": ("k" * 16, lambda c: c.who(f"Api-Key {'k' * 16}", "acme", None).tenant,
                      "acme"),
    "bound": ("k" * 16 + " acme", lambda c: c.who(f"Api-Key {'k' * 16}", None, None).tenant,
              "acme"),
    "bound, asks for its own": ("k" * 16 + " acme",
                                lambda c: c.who(f"Api-Key {'k' * 16}", "acme", None).tenant,
                                "acme"),
    "bound, asks for another": ("k" * 16 + " acme",
                                lambda c: c.who(f"Api-Key {'k' * 16}", "default", None),
                                Forbidden),
    "bound to nobody": ("k" * 16 + " gone", lambda c: c.who(f"Api-Key {'k' * 16}", None, None),
                        Forbidden),
    "unknown tenant": ("k" * 16, lambda c: c.who(f"Api-Key {'k' * 16}", "x", None), Forbidden),
    "no scheme": ("k" * 16, lambda c: c.who("k" * 16, None, None), Unauthorized),
    "a comment": ("# kkkkkkkkkkkkkkkk\n" + "k" * 16,
                  lambda c: c.who("Api-Key kkkkkkkkkkkkkkkk", None, None).tenant, "default"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_a_key_acts_for_its_own_tenant(tmp_path: Path, name: str) -> None:
    text, ask, wanted = KEYS[name]
    (tmp_path / "keys").write_text(text)
    callers = Callers(tmp_path / "keys", frozenset({"default", "acme"}))
    if isinstance(wanted, type) and issubclass(wanted, Exception):
        with pytest.raises(wanted, match=r"tenant|Authorization"):
            ask(callers)
    else:
        assert ask(callers) == wanted


@pytest.mark.parametrize("text", ["", "short", "has space and more words", "bad\x01key0123456789"])
def test_a_file_of_keys_that_is_none_is_refused_unquoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1|no key in it") as refused:
        parse_keys(text)
    assert not text or text not in str(refused.value)


NESTED: Any = 1
for _ in range(18):
    NESTED = [NESTED]
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no content": ({"session_id": "s"}, "body.content"),
    "unknown field": ({**memory(), "contents": "x"}, "body.contents"),
    "empty session": (memory(session_id=""), "body.session_id"),
    "session with a newline": (memory(session_id="a\nb"), "body.session_id"),
    "NUL in content": (memory(content="a\x00b"), "body.content"),
    "NUL in metadata": (memory(metadata={"a": ["\x00"]}), "body.metadata"),
    "huge integer": (memory(metadata={"a": 2**70}), "body.metadata"),
    "deep metadata": (memory(metadata={"a": NESTED}), "body.metadata"),
    "large metadata": (memory(metadata={"a": "x" * 70_000}), "body.metadata"),
    "long content": (memory(content="x" * 32_769), "body.content"),
    "texts as numbers": (memory(embedding=["1"] * 8), "body.embedding.0"),
    "unknown type": (memory(memory_type="procedural"), "body.memory_type"),
    "no uuid": (memory(id="17"), "body.id"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_by_its_place_and_not_quoted(service: Service, name: str) -> None:
    body, where = MISTAKES[name]
    with service.client() as client:
        refused = client.post("/memories", json=body)
    assert error_of(refused) == (422, "invalid")
    assert {one["where"] for one in refused.json()["error"]["details"]} >= {where}
    assert "likes tea" not in refused.text


RAW: dict[str, tuple[bytes, int, str]] = {
    "no JSON": (b"{", 422, "invalid"),
    "NaN": (b'{"embedding": [NaN], "k": 1}', 422, "invalid"),
    "infinity by digits": (b'{"embedding": [1e999]}', 422, "invalid"),
    "half a surrogate": (b'{"text": "\\ud800"}', 422, "invalid"),
    "no UTF-8": (b'{"text": "\xff"}', 422, "invalid"),
    "a list": (b"[]", 422, "invalid"),
    "both": (b'{"embedding": [1], "text": "x"}', 422, "invalid"),
    "neither": (b"{}", 422, "invalid"),
    "deep": (b'{"text": "x", "metadata": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001, 422, "invalid"),
    "a long number": (b'{"text": "x", "k": ' + b"9" * 10_000 + b"}", 422, "invalid"),
    "too large": (b'{"text": "' + b"x" * 5 * 2**20 + b'"}', 413, "too_large"),
}


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_none_is_refused(service: Service, name: str, chunked: bool) -> None:
    body, *wanted = RAW[name]
    with service.client() as client:
        content: Any = (body[i : i + 65536] for i in range(0, len(body), 65536))
        refused = client.post(
            "/memories/search",
            content=content if chunked else body,
            headers={"content-type": "application/json"},
        )
    assert list(error_of(refused)) == wanted


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", "/", (404, "not_found")),
        ("PUT", "/memories", (405, "method_not_allowed")),
        ("GET", "/memories/17", (422, "invalid")),
        ("DELETE", "/memories", (400, "bad_request")),
        ("DELETE", "/memories?session_id=a&user_id=b", (400, "bad_request")),
        ("GET", "/docs", (404, "not_found")),
    ],
)
def test_what_there_is_not_is_said(
    service: Service, method: str, path: str, wanted: tuple[int, str]
) -> None:
    with service.client() as client:
        assert error_of(client.request(method, path)) == wanted


def test_a_request_keeps_its_mark_or_gets_one(service: Service, audit: Audit) -> None:
    with service.client() as client:
        own = client.post("/memories/search", json={"embedding": vector(1)},
                          headers={"X-Request-Id": "from-the-gateway"})  # fmt: skip
        bad = client.get("/x", headers={"X-Request-Id": "a b" * 100})
    assert own.headers["x-request-id"] == "from-the-gateway"
    assert audit()[0][6] == "from-the-gateway"
    assert bad.headers["x-request-id"] == bad.json()["error"]["request_id"]
    assert len(bad.headers["x-request-id"]) == 32


def test_probes_and_description_need_no_key(service: Service) -> None:
    for path in ("/livez", "/readyz", "/openapi.json"):
        assert httpx.get(service.url + path).status_code == 200
