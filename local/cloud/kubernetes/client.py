"""One API server, through the official client; connected to when it is first needed.

The client costs a second to import, and a preview in which nothing changed asks the
server nothing: so neither happens before somebody wants an object.
"""

import json
import re
import ssl
import tempfile
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import unquote

from local.cloud.arm import Body
from local.cloud.kubernetes.errors import ApiError, UnknownKindError, UnreachableError
from local.cloud.kubernetes.kubeconfig import Settings
from local.cloud.kubernetes.objects import Kind, metadata, name_of, namespace_of

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.dynamic import DynamicClient, Resource

Say = Callable[[str], None]
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
TIMEOUT_SECONDS = (5, 60)
"""To connect, and for an answer."""
# 299 - "would violate PodSecurity ...", as RFC 7234 writes a warning
WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')
LOOPBACK = ("localhost", "127.0.0.0/8", "::1")
"""Never asked for through a proxy; the real plugin's HTTP library has the same exception."""
WAITS = 10
"""How often a server that is too busy is asked again, each time when it says so; as client-go."""
CONNECTIONS = 32
"""Kept open at once: one for each worker of the plugin."""
DRY_RUN = ("dryRun", "All")
Query = tuple[tuple[str, str], ...]


class Apply(NamedTuple):
    """How a server-side apply is meant."""

    manager: str
    force: bool = False
    """Take fields over from other managers."""
    dry_run: bool = False


class Call(NamedTuple):
    """One request to the server."""

    method: Literal["get", "post", "put", "patch", "delete"]
    path: str
    body: Any = None
    query: Query = ()
    content_type: str = "application/json"


class Client:
    """Reads and writes objects as plain dictionaries; its errors are ``KubernetesError``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._connecting = threading.Lock()
        self._dynamic: DynamicClient | None = None
        self._resources: dict[str, dict[str, Resource]] = {}
        self._verdict: UnreachableError | Literal["unknown", "reachable"] = "unknown"

    def connect(self) -> None:
        """Make sure that the API server answers us; raises ``UnreachableError``.

        Asked once, as the real plugin does: every resource of a run gets the same answer,
        and waits for it once.
        """
        with self._connecting:
            if self._verdict == "unknown":
                self._verdict = self._reach()
        if isinstance(self._verdict, UnreachableError):
            raise self._verdict

    def _reach(self) -> UnreachableError | Literal["reachable"]:
        try:
            self._request(Call("get", "/version"))
        except ApiError as error:
            return UnreachableError(f"the API server refuses us: {error}")
        except UnreachableError as error:
            return error
        return "reachable"

    def serves(self, kind: Kind) -> bool:
        """Tell whether the server knows a kind."""
        try:
            self._resource(kind)
        except UnknownKindError:
            return False
        return True

    def forget_kinds(self) -> None:
        """Ask anew which kinds there are, as a definition has come or gone."""
        self._resources.clear()

    def get(self, kind: Kind, namespace: str, name: str) -> Body:
        """Return an object; raises ``ApiError`` with ``gone`` where there is none."""
        return self._request(Call("get", self._path(kind, namespace, name)))

    def find(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """Return an object, or ``None`` where it or its kind is gone."""
        try:
            return self.get(kind, namespace, name)
        except UnknownKindError:
            return None
        except ApiError as error:
            if error.gone:
                return None
            raise

    def find_all(self, kind: Kind, namespace: str, selector: str = "") -> list[Body]:
        """Return the objects of a namespace, by label where a selector is given."""
        query = (("labelSelector", selector),) if selector else ()
        answer = self._request(Call("get", self._path(kind, namespace), query=query))
        items: list[Body] = answer.get("items") or []
        return items

    def create(self, obj: Body, how: Apply, warn: Say) -> Body:
        """Make an object; raises ``ApiError`` for ``AlreadyExists`` where there is one."""
        obj, _ = self._placed(obj)
        dry_run = (DRY_RUN,) if how.dry_run else ()
        path = self._path(Kind.of(obj), namespace_of(obj))
        return self._request(
            Call("post", path, obj, (("fieldManager", how.manager), *dry_run)), warn
        )

    def apply(self, obj: Body, how: Apply, warn: Say) -> Body:
        """Make the object be as given, and own the fields given."""
        force = ("force", str(how.force).lower())
        query = (("fieldManager", how.manager), force, ("fieldValidation", "Warn"))
        obj, path = self._placed(obj)
        dry_run = (DRY_RUN,) if how.dry_run else ()
        return self._request(Call("patch", path, obj, (*query, *dry_run), APPLY), warn)

    def replace(self, obj: Body, how: Apply, warn: Say) -> Body:
        """Put the object in the place of the one of its resource version."""
        obj, path = self._placed(obj)
        dry_run = (DRY_RUN,) if how.dry_run else ()
        return self._request(
            Call("put", path, obj, (("fieldManager", how.manager), *dry_run)), warn
        )

    def patch(self, obj: Body, operations: list[Body]) -> Body:
        """Apply JSON patch operations to an object."""
        _, path = self._placed(obj)
        return self._request(Call("patch", path, operations, content_type=JSON_PATCH))

    def delete(self, kind: Kind, namespace: str, name: str, propagation: str) -> None:
        """Ask for an object to be deleted; it may take its time."""
        options = {"propagationPolicy": propagation}
        self._request(Call("delete", self._path(kind, namespace, name), options))

    # -- below the objects -----------------------------------------------------------

    def _placed(self, obj: Body) -> tuple[Body, str]:
        """Return an object and its path; what lies in no namespace gets rid of the guess."""
        kind = Kind.of(obj)
        if not self._resource(kind).namespaced and namespace_of(obj):
            meta = {key: value for key, value in metadata(obj).items() if key != "namespace"}
            obj = {**obj, "metadata": meta}
        return obj, self._path(kind, namespace_of(obj), name_of(obj))

    def _path(self, kind: Kind, namespace: str, name: str = "") -> str:
        resource = self._resource(kind)
        inside = (namespace or "default") if resource.namespaced else None
        path: str = resource.path(name=name or None, namespace=inside)
        return path

    def _resource(self, kind: Kind) -> "Resource":
        """Return where the server serves a kind; raises ``UnknownKindError``.

        A kind that is missing is asked for again the next time: its definition may be
        made by the program that waits for it.
        """
        known = self._resources.get(kind.api_version, {})
        if kind.name not in known:
            known = self._resources[kind.api_version] = self._discover(kind)
        if kind.name not in known:
            raise UnknownKindError(
                f"no matches for kind {kind.name!r} in version {kind.api_version!r}"
            )
        return known[kind.name]

    def _discover(self, kind: Kind) -> dict[str, "Resource"]:
        from kubernetes.dynamic import Resource  # noqa: PLC0415 - a second; see the module

        prefix = "apis" if kind.group else "api"
        try:
            answer = self._request(Call("get", f"/{prefix}/{kind.api_version}"))
        except ApiError as error:
            if error.gone:
                return {}
            raise
        return {
            each["kind"]: Resource(
                prefix=prefix,
                group=kind.group,
                api_version=kind.version,
                kind=each["kind"],
                namespaced=each["namespaced"],
                name=each["name"],
            )
            for each in answer["resources"]
            if "/" not in each["name"]
        }

    def _request(self, call: Call, warn: Say | None = None) -> Body:
        dynamic = self._connected()
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with the client

        from kubernetes.dynamic.exceptions import DynamicApiError  # noqa: PLC0415 - see the module

        try:
            response = dynamic.request(
                call.method,
                call.path,
                body=call.body,
                query_params=list(call.query),
                content_type=call.content_type,
                serialize=False,
                _request_timeout=TIMEOUT_SECONDS,
            )
        except DynamicApiError as error:
            raise _refusal(int(error.status or 0), error.body or "") from error
        except HTTPError as error:
            raise UnreachableError(f"{dynamic.configuration.host}: {error}") from error
        for text in warnings(response.headers.getlist("Warning")):
            if warn is not None:
                warn(text)
        answer: Body = json.loads(response.data)
        return answer

    def _connected(self) -> "DynamicClient":
        with self._lock:
            if self._dynamic is None:
                self._dynamic = _dynamic(self._settings)
            return self._dynamic


def warnings(headers: list[str]) -> list[str]:
    """Return the texts of an answer's ``Warning`` headers."""
    found = [text for header in headers for text in WARNING.findall(header)]
    return [re.sub(r"\\(.)", r"\1", text) for text in found]


def _dynamic(settings: Settings) -> "DynamicClient":
    if settings.problem:
        raise UnreachableError(settings.problem)
    from urllib3 import Retry  # noqa: PLC0415 - comes with the client

    from kubernetes import config  # noqa: PLC0415 - a second; see the module
    from kubernetes.client import Configuration  # noqa: PLC0415
    from kubernetes.dynamic import DynamicClient  # noqa: PLC0415

    configuration = Configuration()
    configuration.no_proxy = ",".join(filter(None, [configuration.no_proxy, *LOOPBACK]))
    configuration.connection_pool_maxsize = CONNECTIONS
    configuration.retries = Retry(
        total=WAITS, connect=1, read=1, allowed_methods=None, raise_on_status=False
    )
    # The client writes certificates and keys to files, and removes them at its end only.
    with tempfile.TemporaryDirectory(prefix="engram-") as private:
        try:
            config.load_kube_config_from_dict(
                settings.kubeconfig,
                context=settings.context or None,
                client_configuration=configuration,
                persist_config=False,
                temp_file_path=private,
            )
            api = _api(configuration)
        except (config.ConfigException, OSError) as error:
            raise UnreachableError(f"the kubeconfig is not complete: {error}") from error
    # Its own discovery would keep a file in the machine's temporary folder, by address alone.
    return DynamicClient(api, discoverer=lambda *_: None)


def _api(configuration: "Configuration") -> "ApiClient":
    """Return a client that has read its certificates and needs their files no more."""
    from urllib3.util import create_urllib3_context  # noqa: PLC0415 - comes with the client

    from kubernetes.client import ApiClient  # noqa: PLC0415 - a second; see the module

    context: ssl.SSLContext = create_urllib3_context()
    if configuration.ssl_ca_cert:
        context.load_verify_locations(configuration.ssl_ca_cert)
    else:
        context.load_default_certs()
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None
    api = ApiClient(configuration)
    api.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context
    return api


def _refusal(status: int, body: str | bytes) -> ApiError:
    """Read Kubernetes' ``Status`` object; a proxy's page of text is one word less."""
    try:
        answer = json.loads(body)
    except ValueError:
        text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
        # A group that is not served is answered so, by the router and not by an API.
        reason = "NotFound" if status == HTTPStatus.NOT_FOUND else "Unknown"
        return ApiError(status, reason, f"HTTP {status}: {text[:500]}")
    details = answer.get("details") or {}
    message = str(answer.get("message") or f"HTTP {status}")
    missing = str(details.get("kind", ""))
    return ApiError(status, str(answer.get("reason", "")), unquote(message), missing)
