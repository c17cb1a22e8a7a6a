"""Azure from a shell or a pod: the servers of a drill, and what leads to them.

Arguments are ARM ids. Who asks is azure-identity's business: workload identity in a pod, the
Azure CLI at a desk.  Nothing here is made or removed that carries no mark of a drill; whoever calls
keeps to that.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from memory.operations.errors import OperationError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.polling import LROPoller
    from azure.mgmt.core import ARMPipelineClient
    from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient

Body = Mapping[str, Any]
MANAGEMENT = "https://management.azure.com"
POSTGRES_API, NETWORK_API = "2025-08-01", "2024-05-01"
POLL_SECONDS = 5.0
MISSING = 404
BROUGHT_ALONG = ("dataEncryption", "network")
"""What a restored server is told of its source's properties: without its key it is not made."""
REMEDIES = {
    401: "no token was accepted: sign in (az login), or give the pod a workload identity",
    403: "the identity needs Contributor on the resource group; a grant takes minutes",
    404: "is the id right, and the subscription the one that is signed in to?",
    409: "another operation is under way: run again when it is over",
    429: "Azure is throttling: run again later",
}

Heard = Callable[[str], None]


class AzureRefused(OperationError):  # noqa: N818 - named after what the operator sees
    """The resource manager said no."""


class NotThere(AzureRefused):
    """There is no such resource."""


@dataclass(frozen=True, kw_only=True)
class FlexibleServer:
    """A server as the resource manager shows it."""

    id: str
    properties: Body
    location: str = ""
    tags: Body = field(default_factory=dict)
    identity: Body | None = None

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.rsplit("/", 1)[-1]

    @property
    def state(self) -> str:
        """Azure's word, e.g. Ready or Inaccessible."""
        return str(self.properties.get("state", "Unknown"))

    @property
    def host(self) -> str:
        """The name that clients verify."""
        return str(self.properties.get("fullyQualifiedDomainName", ""))

    @property
    def key_uri(self) -> str | None:
        """The customer's key, with or without its version."""
        encryption = self.properties.get("dataEncryption") or {}
        return encryption.get("primaryKeyURI")

    @property
    def key_status(self) -> str | None:
        """``Valid`` or ``Invalid``, where Azure says it."""
        encryption = self.properties.get("dataEncryption") or {}
        return encryption.get("primaryEncryptionKeyStatus")

    @property
    def endpoints(self) -> list[str]:
        """The ids of the private endpoints that lead here."""
        connections = self.properties.get("privateEndpointConnections") or []
        found = [one.get("properties", {}).get("privateEndpoint", {}) for one in connections]
        return [str(one["id"]) for one in found if "id" in one]

    @property
    def is_private(self) -> bool:
        """Whether nobody reaches it over the internet."""
        network = self.properties.get("network") or {}
        return network.get("publicNetworkAccess") == "Disabled"

    def beside(self, name: str) -> str:
        """The id of another server in the same group."""
        return f"{self.id.rsplit('/', 1)[0]}/{name}"


@dataclass
class Azure:
    """The resource manager, as the identity of the environment."""

    credential: "TokenCredential | None" = None
    heard: Heard = lambda _: None
    """Told what is waited for, now and then."""
    _clients: dict[str, "PostgreSQLManagementClient"] = field(default_factory=dict, repr=False)

    def server(self, server_id: str) -> FlexibleServer:
        """Look at a server.  Raises NotThere."""
        subscription, group, name = parts(server_id)
        with _explained(f"look at {name}"):
            return _seen(self._servers(subscription).servers.get(group, name).as_dict())

    def servers_beside(self, server_id: str) -> list[FlexibleServer]:
        """The servers of the same resource group, those that are being made included."""
        subscription, group, _ = parts(server_id)
        with _explained(f"list the servers of {group}"):
            listed = self._servers(subscription).servers.list_by_resource_group(group)
            return [_seen(one.as_dict()) for one in listed]

    def restore(
        self, source: FlexibleServer, name: str, at: datetime, tags: Body
    ) -> FlexibleServer:
        """Make a server of another's backup, as of an instant; hours, where it is large."""
        subscription, group, _ = parts(source.id)
        had = {key: source.properties[key] for key in BROUGHT_ALONG if source.properties.get(key)}
        body: dict[str, Any] = {
            "location": source.location,
            "tags": dict(tags),
            "properties": {
                **_without_answers(had),
                "createMode": "PointInTimeRestore",
                "sourceServerResourceId": source.id,
                "pointInTimeUTC": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            },
        }
        if source.identity is not None:
            known = source.identity.get("userAssignedIdentities") or ()
            listed: dict[str, Any] = {key: {} for key in known}
            body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": listed}
        with _explained(f"restore {name}"):
            from azure.mgmt.postgresqlflexibleservers.models import (  # noqa: PLC0415 - a second
                Server,
            )

            servers = self._servers(subscription).servers
            poller = servers.begin_create_or_update(group, name, Server(body))
            self._wait(poller, f"{name} is restored")
        return self.server(source.beside(name))

    def delete_server(self, server_id: str) -> None:
        """Delete a server; one that is gone is fine."""
        subscription, group, name = parts(server_id)
        with _explained(f"delete {name}"):
            poller = self._servers(subscription).servers.begin_delete(group, name)
            self._wait(poller, f"{name} is deleted")

    def restart(self, server_id: str) -> None:
        """Restart a server."""
        subscription, group, name = parts(server_id)
        with _explained(f"restart {name}"):
            poller = self._servers(subscription).servers.begin_restart(group, name)
            self._wait(poller, f"{name} is restarted")

    # -- anything, by its id ---------------------------------------------------------------

    def get(self, resource_id: str, api_version: str = NETWORK_API) -> dict[str, Any]:
        """Look at a resource.  Raises NotThere."""
        return self._send("GET", resource_id, api_version)

    def put(self, resource_id: str, body: Body, api_version: str = NETWORK_API) -> None:
        """Make a resource, and wait for it."""
        self._send("PUT", resource_id, api_version, body)

    def delete(self, resource_id: str, api_version: str = NETWORK_API) -> None:
        """Delete a resource, and wait for it; one that is gone is fine."""
        self._send("DELETE", resource_id, api_version)

    def _send(
        self, method: str, resource_id: str, api_version: str, body: Body | None = None
    ) -> dict[str, Any]:
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - half a second
        from azure.core.polling import LROPoller  # noqa: PLC0415 - half a second
        from azure.core.rest import HttpRequest  # noqa: PLC0415 - half a second
        from azure.mgmt.core.polling.arm_polling import ARMPolling  # noqa: PLC0415 - half a second

        url = f"{resource_id}?api-version={api_version}"
        request = HttpRequest(method, MANAGEMENT + url, json=body)
        name = resource_id.rsplit("/", 1)[-1]
        with _explained(f"{method} {name}"):
            # Anything else would lose what the poller needs of the first answer.
            answer = self._manager._pipeline.run(request)  # noqa: SLF001 - see above
            if answer.http_response.status_code >= 400:  # noqa: PLR2004 - HTTP's errors
                raise HttpResponseError(response=answer.http_response)
            if method == "GET":
                found: dict[str, Any] = answer.http_response.json()
                return found
            polling: Any = ARMPolling(POLL_SECONDS)
            self._wait(LROPoller(self._manager, answer, lambda _: None, polling), name)
        return {}

    def _wait(self, poller: "LROPoller[Any]", what: str) -> None:
        began = time.monotonic()
        while not poller.done():
            self.heard(f"{what}: {time.monotonic() - began:.0f} s")
            poller.wait(POLL_SECONDS)
        poller.result()

    # -- clients ---------------------------------------------------------------------------

    def _servers(self, subscription: str) -> "PostgreSQLManagementClient":
        from azure.mgmt.postgresqlflexibleservers import (  # noqa: PLC0415 - a second of import
            PostgreSQLManagementClient,
        )

        if subscription not in self._clients:
            self._clients[subscription] = PostgreSQLManagementClient(
                self.identity, subscription, MANAGEMENT, api_version=POSTGRES_API
            )
        return self._clients[subscription]

    @cached_property
    def identity(self) -> "TokenCredential":
        """Who asks."""
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - half a second

        return self.credential or DefaultAzureCredential()

    @cached_property
    def _manager(self) -> "ARMPipelineClient[Any, Any]":
        from azure.core.pipeline.policies import RetryPolicy  # noqa: PLC0415 - half a second
        from azure.mgmt.core import ARMPipelineClient  # noqa: PLC0415 - half a second
        from azure.mgmt.core.policies import (  # noqa: PLC0415 - half a second
            ARMChallengeAuthenticationPolicy,
        )

        signing = ARMChallengeAuthenticationPolicy(self.identity, f"{MANAGEMENT}/.default")
        return ARMPipelineClient(MANAGEMENT, policies=[RetryPolicy(), signing])


def parts(server_id: str) -> tuple[str, str, str]:
    """Subscription, resource group and name of a server.  Raises OperationError."""
    words = server_id.strip("/").split("/")
    kind = "/".join(words[5:7]).lower()
    if len(words) != 8 or kind != "microsoft.dbforpostgresql/flexibleservers":  # noqa: PLR2004 - an id's
        raise OperationError(
            f"--server {server_id}: give the ARM id of a Flexible Server,"
            " /subscriptions/…/resourceGroups/…/providers/Microsoft.DBforPostgreSQL"
            "/flexibleServers/<name>; `pulumi stack output postgres` has it"
        )
    return words[1], words[3], words[7]


def _seen(body: Body) -> FlexibleServer:
    return FlexibleServer(
        id=body["id"],
        location=body.get("location", ""),
        tags=body.get("tags") or {},
        identity=body.get("identity"),
        properties=body.get("properties") or {},
    )


def _without_answers(had: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, without what only answers say."""
    status = ("primaryEncryptionKeyStatus", "geoBackupEncryptionKeyStatus")
    return {
        name: {key: value for key, value in body.items() if key not in status}
        for name, body in had.items()
    }


@contextmanager
def _explained(what: str) -> Iterator[None]:
    from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 - half a second

    try:
        yield
    except HttpResponseError as error:
        status = error.status_code or 0
        words = " ".join(str((error.error and error.error.message) or error.message).split())
        code = error.error.code if error.error else status
        remedy = REMEDIES.get(status, "see Azure's words, and run again")
        kind = NotThere if status == MISSING else AzureRefused
        raise kind(f"could not {what}: {words} ({code}); {remedy}") from error
    except AzureError as error:
        raise AzureRefused(f"could not {what}: {' '.join(str(error).split())}") from error
