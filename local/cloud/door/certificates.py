"""A certificate for every name that the door is asked for, from the local cloud's authority."""

import secrets
import ssl
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from local.cloud.postgres.authority import Authority


@dataclass(frozen=True)
class Certificates:
    """Made when a name is first asked for, and kept in memory only."""

    authority: Authority
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def context(self, host: str) -> ssl.SSLContext:
        """Return the server side of TLS for a name."""
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._make(host)
            return self._contexts[host]

    def _make(self, host: str) -> ssl.SSLContext:
        passphrase = secrets.token_bytes(32)
        key, certificate = self.authority.issue(host, passphrase)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # The library reads files only; the key in this one is encrypted, and gone at once.
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(key + certificate)
            file.flush()
            context.load_cert_chain(Path(file.name), password=passphrase)
        return context
