"""A gateway between a customer's issuer and two services, for the tests of its parts.

Nothing is changed of what the component renders but addresses, ports, folders and times.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.gateway_access import Role, SignOn, Upstream
from components.gateway_config import GatewayConfig, Limits
from components.vault_secrets import GATEWAY_CERTIFICATE
from tests import envoy, issuer
from tests.certificates import Authority
from tests.envoy import Answer, Gateway
from tests.issuer import KEYS, Issuer

KEYS_OF = {"zep": "zep-key-0123456789", "memory-service": "memory-key-0123456789"}
DATA = "..data"
PREFIXES = {"zep": ("/api/v2", False), "memory-service": ("/memories", True)}
ROLES = {Role.READ: "Engram.Read", Role.WRITE: "Engram.Write", Role.ADMIN: "Engram.Admin"}


@dataclass(frozen=True)
class Stage:
    """Everything that a test calls or changes."""

    gateway: Gateway
    issuer: Issuer
    authority: Authority
    secrets: Path

    def replace(self, name: str, text: str) -> None:
        """Give the secrets as the vault's driver does: another folder, and a link turned to it."""
        fresh = self.secrets / f"..{time.monotonic_ns()}"
        shutil.copytree(self.secrets / DATA, fresh)
        (fresh / name).write_text(text, encoding="utf-8")
        turned = self.secrets / "..data_tmp"
        turned.symlink_to(fresh.name)
        turned.rename(self.secrets / DATA)

    def ask(self, method: str, path: str, token: str, *more: tuple[str, str]) -> Answer:
        """Call with a token."""
        return self.gateway.call(method, path, [("Authorization", f"Bearer {token}"), *more])


@contextmanager
def staged(
    folder: Path,
    *,
    single_sign_on: bool = True,
    limits: Limits | None = None,
    jwks_cache_seconds: int = 300,
    broken: Sequence[str] = (),
    **claims: Any,
) -> Iterator[Stage]:
    """Run all of it; what is ``broken`` is not there."""
    authority = Authority()
    secrets = _secrets(folder, authority)
    with ExitStack() as stack:
        customer = stack.enter_context(issuer.running(authority, folder))
        upstreams = [_upstream(stack, name, absent=name in broken) for name in KEYS_OF]
        config = GatewayConfig(
            upstreams=upstreams,
            sign_on=sign_on(customer, authority, jwks_cache_seconds, **claims)
            if single_sign_on
            else None,
            heap_bytes=512 * 1024 * 1024,
            limits=limits or Limits(),
            address="127.0.0.1",
            port=envoy.free_port(),
            status_port=envoy.free_port(),
            admin_port=envoy.free_port(),
            folder=str(folder),
            secrets=str(secrets),
        )
        gateway = stack.enter_context(envoy.running(config, authority.pem))
        yield Stage(gateway, customer, authority, secrets)


def sign_on(
    customer: Issuer, authority: Authority, jwks_cache_seconds: int = 300, **claims: Any
) -> SignOn:
    """Return how tokens of the test's issuer are read."""
    host, port = customer.url.removeprefix("https://").split(":")
    given: dict[str, Any] = {"audiences": ["engram", "api://engram"], "roles": ROLES, **claims}
    return SignOn(
        issuer=customer.url,
        jwks_host=host,
        jwks_port=int(port),
        jwks_path=KEYS,
        jwks_cache_seconds=jwks_cache_seconds,
        issuer_ca=authority.pem,
        **given,
    )


def _secrets(folder: Path, authority: Authority) -> Path:
    """Lay the files out as the vault's driver does: each a link into what ``..data`` links to."""
    secrets = folder / "secrets"
    first = secrets / "..first"
    first.mkdir(parents=True)
    authority.sign("localhost").write(first / GATEWAY_CERTIFICATE)
    for name, key in KEYS_OF.items():
        (first / f"{name}-key").write_text(key, encoding="utf-8")
    (secrets / DATA).symlink_to(first.name)
    for file in first.iterdir():
        (secrets / file.name).symlink_to(Path(DATA, file.name))
    return secrets


def _upstream(stack: ExitStack, name: str, *, absent: bool) -> Upstream:
    prefix, exact = PREFIXES[name]
    service = None if absent else stack.enter_context(envoy.stub(name, KEYS_OF[name]))
    return Upstream(
        name=name,
        host="localhost",
        port=service.port if service else envoy.free_port(),
        prefix=prefix,
        exact=exact,
        key_file=f"{name}-key",
    )
