"""A customer's key in its vault, as a drill or a rotation handles it: its versions.

What a drill disables it marks with a tag in the same request, so that a killed drill is found and
healed by whoever looks next; a version that is disabled without the mark was so on purpose.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from memory.operations.errors import OperationError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.keyvault.keys import KeyClient, KeyProperties

KEY_URI = re.compile(
    r"(?P<vault>https://[^/]+?)(?::443)?/keys/(?P<name>[^/]+)(?:/(?P<version>[^/]+))?/?"
)
MARK = "engram-drill"
ATTEMPTS = 5
REMEDIES = {
    401: "no token was accepted: sign in (az login), or give the pod a workload identity",
    403: "the identity needs Key Vault Crypto Officer on the key, and a way to the vault",
    404: "is the server's key still there, and not deleted?",
    429: "the vault is throttled: run again later",
}


class KeyRefused(OperationError):  # noqa: N818 - named after what the operator sees
    """The vault said no."""


@dataclass(frozen=True, kw_only=True)
class KeyVersion:
    """One version of a key."""

    version: str
    enabled: bool
    created_at: datetime
    tags: dict[str, str]

    @property
    def mark(self) -> str | None:
        """Which drill disabled it."""
        return self.tags.get(MARK)


@dataclass
class VaultKey:
    """One key, by its URI with or without a version."""

    uri: str
    credential: "TokenCredential | None" = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Its name in the vault."""
        return self._parts["name"]

    @property
    def pinned(self) -> str | None:
        """The version that the URI names; none is named where the server follows rotations."""
        return self._parts["version"]

    @cached_property
    def _parts(self) -> re.Match[str]:
        found = KEY_URI.fullmatch(self.uri)
        if found is None:
            raise KeyRefused(f"{self.uri} is no key's URI, https://<vault>/keys/<name>")
        return found

    @cached_property
    def _client(self) -> "KeyClient":
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - half a second
        from azure.keyvault.keys import KeyClient  # noqa: PLC0415 - half a second

        return KeyClient(self._parts["vault"], self.credential or DefaultAzureCredential())

    def versions(self) -> list[KeyVersion]:
        """All versions, the newest first; a disabled key is listed, too.  Raises KeyRefused."""
        with _explained(f"list the versions of {self.name}"):
            found = [_seen(one) for one in self._client.list_properties_of_key_versions(self.name)]
        found.sort(key=lambda one: one.created_at)
        found.reverse()  # of two versions of one second, first the one that is listed later
        return found

    def rotate(self) -> str:
        """Make a new version, and return it.  Raises KeyRefused."""
        with _explained(f"rotate {self.name}"):
            return str(self._client.rotate_key(self.name).properties.version)

    def disable(self, version: KeyVersion, drill: str) -> None:
        """Disable a version and say who did, in one request.  Raises KeyRefused."""
        with _explained(f"disable {self.name}/{version.version}"):
            self._client.update_key_properties(
                self.name, version.version, enabled=False, tags={**version.tags, MARK: drill}
            )

    def enable(self, version: KeyVersion) -> None:
        """Enable what a drill disabled, and take its mark away.  Raises KeyRefused."""
        tags = {name: text for name, text in version.tags.items() if name != MARK}
        with _explained(f"enable {self.name}/{version.version}"):
            self._client.update_key_properties(self.name, version.version, enabled=True, tags=tags)

    def heal(self) -> list[str]:
        """Enable all that a drill disabled; returns the versions.  Raises KeyRefused."""
        marked = [version for version in self.versions() if version.mark is not None]
        for version in marked:
            self.enable(version)
        return [version.version for version in marked]


def heal(key: VaultKey, heard: Callable[[str], None], pause_seconds: float = 2.0) -> list[str]:
    """Enable what a drill disabled, tried some times: nothing matters more.

    Returns the versions.  Raises KeyRefused where the vault does not let us.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            healed = key.heal()
        except KeyRefused as error:
            heard(f"the key is NOT enabled yet: {error}")
            if not left:
                raise
            time.sleep(pause_seconds)
        else:
            if healed:
                heard(f"enabled: {', '.join(healed)}")
            return healed
    return []


def _seen(properties: "KeyProperties") -> KeyVersion:
    return KeyVersion(
        version=str(properties.version),
        enabled=bool(properties.enabled),
        created_at=properties.created_on or datetime.min.replace(tzinfo=UTC),
        tags=dict(properties.tags or {}),
    )


@contextmanager
def _explained(what: str) -> Iterator[None]:
    from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 - half a second

    try:
        yield
    except HttpResponseError as error:
        words = " ".join((error.message or "").split())
        remedy = REMEDIES.get(error.status_code or 0, "see the vault's words, and run again")
        raise KeyRefused(f"could not {what}: {words}; {remedy}") from error
    except AzureError as error:
        raise KeyRefused(f"could not {what}: {' '.join(str(error).split())}") from error
