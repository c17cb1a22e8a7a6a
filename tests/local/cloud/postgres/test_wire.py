"""local/cloud/postgres/wire.py"""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.postgres.wire import MalformedHelloError, server_name


def hello(name: str | None) -> bytes:
    """Return the ClientHello that a real TLS library sends, without its record header."""
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError, match="did not complete"):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()[5:]


@pytest.mark.parametrize("name", ["psql-a.postgres.database.azure.com", "a", None])
def test_reads_the_name_that_a_client_asks_for(name: str | None) -> None:
    assert server_name(hello(name)) == name


def test_name_ignores_case() -> None:
    assert (
        server_name(hello("psql-a.azure.com").replace(b"psql-a", b"PSQL-A")) == "psql-a.azure.com"
    )


@given(st.binary(max_size=200))
def test_garbage_is_named_as_such(garbage: bytes) -> None:
    with pytest.raises(MalformedHelloError, match=r"expected|ClientHello"):
        server_name(b"\x02" + garbage)


@pytest.mark.parametrize("length", [0, 1, 4, 38, 50, 100])
def test_a_hello_cut_short_is_malformed(length: int) -> None:
    with pytest.raises(MalformedHelloError, match="bytes expected"):
        server_name(hello("psql-a.postgres.database.azure.com")[:length])
