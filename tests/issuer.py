"""A customer's OpenID Connect issuer on loopback: discovery, keys over HTTPS, and tokens."""

import base64
import hmac
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey
from typing_extensions import override

from tests.certificates import Authority

Claims = dict[str, Any]
DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/discovery/keys"


class Issuer:
    """Publishes its keys, and signs whatever a test asks for."""

    def __init__(self, port: int) -> None:
        self.url = f"https://localhost:{port}"
        self.fetches = 0
        """How often the keys were asked for."""
        self.rotate()

    def rotate(self) -> None:
        """Publish another key, and forget the one before."""
        self.key = RSAKey.generate_key(2048, auto_kid=True)

    def documents(self) -> dict[str, Claims]:
        """What it publishes, by path."""
        return {
            DISCOVERY: {"issuer": self.url, "jwks_uri": f"{self.url}{KEYS}"},
            KEYS: {"keys": [{**self.key.as_dict(private=False), "use": "sig", "alg": "RS256"}]},
        }

    def claims(self, **changed: Any) -> Claims:
        """Claims that are good; ``None`` takes one away."""
        now = int(time.time())
        given = {
            "iss": self.url,
            "aud": "engram",
            "sub": "user-1",
            "iat": now,
            "nbf": now - 10,
            "exp": now + 600,
            "roles": ["Engram.Read"],
            **changed,
        }
        return {key: value for key, value in given.items() if value is not None}

    def token(self, key: RSAKey | None = None, **changed: Any) -> str:
        """Sign claims with the published key, or with another."""
        signer = key or self.key
        return jwt.encode({"alg": "RS256", "kid": signer.kid}, self.claims(**changed), signer)

    def another_key(self) -> RSAKey:
        """A key that was never published."""
        return RSAKey.generate_key(2048, auto_kid=True)

    def impostor(self) -> str:
        """A key of somebody else under the published key's name."""
        other = RSAKey.generate_key(2048, parameters={"kid": str(self.key.kid)})
        return self.token(other)

    def with_public_key_as_secret(self) -> str:
        """HS256, whose «secret» is the public key that everybody knows; made by hand, as no
        library would."""
        header = {"alg": "HS256", "kid": self.key.kid}
        signed = f"{_encoded(header)}.{_encoded(self.claims())}"
        secret = self.key.as_pem(private=False)
        digest = hmac.digest(secret, signed.encode(), "sha256")
        return f"{signed}.{_base64(digest)}"

    def unsigned(self) -> str:
        """``alg: none``, with some signature so that it looks like a token."""
        header = {"alg": "none", "kid": self.key.kid}
        claims = self.claims(roles=["Engram.Admin"])
        return f"{_encoded(header)}.{_encoded(claims)}.{_base64(b'signature')}"

    def altered(self) -> str:
        """A signed token whose claims were exchanged afterwards."""
        head, _, signature = self.token().split(".")
        return f"{head}.{_encoded(self.claims(roles=['Engram.Admin']))}.{signature}"


def _encoded(document: Claims) -> str:
    return _base64(json.dumps(document).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def running(authority: Authority, folder: Path) -> Iterator[Issuer]:
    """Run an issuer until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        @override
        def log_message(self, *_args: object) -> None:
            pass

        def do_GET(self) -> None:
            issuer.fetches += self.path == KEYS
            document = issuer.documents().get(self.path)
            body = json.dumps(document).encode()
            self.send_response(200 if document else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(server.server_address[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.sign("localhost").write(folder / "issuer.pem"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
