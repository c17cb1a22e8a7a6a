"""The secrets driver's way to a vault: as the pod's identity, with a token of its cluster."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import urllib3
import yaml

from local.errors import LocalError

FEDERATED = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE = "https://vault.azure.net/.default"
API_VERSION = "7.6"
TIMEOUT_SECONDS = 30.0
OK = 200


class Wanted(NamedTuple):
    """One secret of a class: what the vault calls it, and the file that a pod finds it in."""

    name: str
    file: str


@dataclass(frozen=True, kw_only=True)
class SecretClass:
    """A ``SecretProviderClass`` of the Azure provider."""

    vault: str
    tenant_id: str
    client_id: str
    wanted: tuple[Wanted, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "SecretClass":
        """Read the live object; raises ``LocalError`` where it is not what the driver takes."""
        try:
            given = document["spec"]["parameters"]
            return cls(
                vault=given["keyvaultName"],
                tenant_id=given["tenantId"],
                client_id=given["clientID"],
                wanted=tuple(_wanted(given["objects"])),
            )
        except (KeyError, TypeError, yaml.YAMLError) as error:
            name = document.get("metadata", {}).get("name")
            raise LocalError(f"SecretProviderClass {name}: not as the driver reads it") from error


def _wanted(text: str) -> Iterator[Wanted]:
    for one in yaml.safe_load(text)["array"]:
        found = yaml.safe_load(one)
        yield Wanted(found["objectName"], found.get("objectAlias") or found["objectName"])


@dataclass(frozen=True)
class VaultReader:
    """Reads secrets through the door, as whoever a service account's token stands for."""

    proxy: str
    ca_file: str
    _pools: dict[str, urllib3.ProxyManager] = field(default_factory=dict)

    def read(self, wanted: SecretClass, assertion: str) -> dict[str, str]:
        """Return the value of each file; raises ``LocalError`` with Azure's words."""
        token = self._token(wanted, assertion)
        found = {}
        for secret in wanted.wanted:
            host = f"https://{wanted.vault}.vault.azure.net"
            url = f"{host}/secrets/{quote(secret.name)}?api-version={API_VERSION}"
            headers = {"Authorization": f"Bearer {token}"}
            found[secret.file] = str(self._asked("GET", url, headers=headers)["value"])
        return found

    def _token(self, wanted: SecretClass, assertion: str) -> str:
        form = {
            "grant_type": "client_credentials",
            "scope": SCOPE,
            "client_id": wanted.client_id,
            "client_assertion_type": FEDERATED,
            "client_assertion": assertion,
        }
        host = "https://login.microsoftonline.com"
        url = f"{host}/{quote(wanted.tenant_id)}/oauth2/v2.0/token"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return str(self._asked("POST", url, headers=headers, body=urlencode(form))["access_token"])

    def _asked(
        self, method: str, url: str, *, headers: Mapping[str, str], body: str | None = None
    ) -> dict[str, Any]:
        what = f"{method} {url.partition('?')[0]}"
        try:
            answer = self._pool.request(
                method, url, headers=dict(headers), body=body, timeout=TIMEOUT_SECONDS
            )
        except urllib3.exceptions.HTTPError as error:
            raise LocalError(f"{what}: the door does not answer: {error}") from error
        document: dict[str, Any] = json.loads(answer.data or b"{}")
        if answer.status != OK:
            refusal = document.get("error")
            words = refusal.get("message") if isinstance(refusal, dict) else None
            said = words or document.get("error_description") or refusal
            raise LocalError(f"{what}: {answer.status}: {said}")
        return document

    @property
    def _pool(self) -> urllib3.ProxyManager:
        if self.proxy not in self._pools:
            self._pools[self.proxy] = urllib3.ProxyManager(
                self.proxy, ca_certs=self.ca_file, retries=False
            )
        return self._pools[self.proxy]
