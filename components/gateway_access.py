"""Who may call what through the gateway: routes, tokens and roles, as Envoy's own words.

Three kinds of callers come to a path, told apart by the one ``Authorization`` header:

* a machine, with ``Api-Key …``: the header passes as it is, and the service behind judges it;
* a person or an application of the customer, with ``Bearer …``: the token is verified, its roles
  decide, and only then is it exchanged for the service's own key;
* everybody else, who gets 401.

Each kind has routes of its own, and a filter does on a route what the route says.  What a route
does not say fails closed: by default every token is required, every role is refused and no key is
injected.  So a machine's route has no injector on it, and a wrong key stays wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

Data = dict[str, Any]

TYPES = "type.googleapis.com/envoy"
JWT = "envoy.filters.http.jwt_authn"
RBAC = "envoy.filters.http.rbac"
SECRET = f"{TYPES}.extensions.transport_sockets.tls.v3.Secret"

SUBJECT_HEADER = "x-engram-subject"
"""Who called, for the services' audit; set by the gateway alone."""

# One credential and nothing after it.  Envoy joins repeated headers with commas, so that two of
# them match neither; and its own search for «Bearer » would also look in the middle of a value.
MACHINE = r"Api-Key [A-Za-z0-9._~+/=-]+"
PERSON = r"Bearer [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"

TENANT_HEADER = "x-engram-tenant"
"""Whose memories these are; of a machine its key says so."""

CLAIMS = "claims"
PROVIDER = "customer"


class Role(Enum):
    """What a caller may do; each includes the one before."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class SignOn:
    """The customer's OpenID Connect issuer, and how its claims are read."""

    issuer: str
    """As the tokens say it, e.g. ``https://login.microsoftonline.com/<tenant>/v2.0``."""
    audiences: Sequence[str]
    """Whom tokens must be made for; at least one, or a token for any other application would do."""
    jwks_host: str
    jwks_path: str
    jwks_port: int = 443
    jwks_cache_seconds: int = 300
    """How long a withdrawn key is still believed, and a new one unknown."""
    roles: Mapping[Role, str]
    """What a role is called in the customer's directory."""
    roles_claim: Sequence[str] = ("roles",)
    """Path of the claim, one name a step, because a name itself may hold dots."""
    subject_claim: str = "sub"
    """Entra's ``sub`` differs from application to application; its ``oid`` does not."""
    tenant_claim: str | None = None
    """Names the tenant that a person belongs to; without one, all are the default's."""
    issuer_ca: str | None = None
    """PEM of the authority behind the issuer's certificate; without one, the public ones."""

    def __post_init__(self) -> None:
        """Refuse what would let anybody in; raises ``ValueError``."""
        if not self.audiences or not all(self.audiences):
            raise ValueError("sign-on: audiences is empty; name whom the tokens must be made for")
        if missing := [role.value for role in Role if not self.roles.get(role)]:
            raise ValueError(f"sign-on: roles: no name for {', '.join(missing)}")
        if len(set(self.roles.values())) != len(self.roles):
            raise ValueError("sign-on: roles: two roles have the same name")


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A service behind the gateway."""

    name: str
    host: str
    port: int
    prefix: str
    """A path at or below which everything is the service's, without a slash at the end."""
    exact: bool
    """Whether the path itself is the service's too."""
    key_file: str
    """Name of the secret that persons' requests are given."""


def routes(upstreams: Sequence[Upstream], sign_on: SignOn | None, timeout: str) -> list[Data]:
    """Return every route; the first match counts, and what is nobody's is 404."""
    found: list[Data] = []
    for upstream in upstreams:
        found.append(_machine(upstream, sign_on, timeout))
        if sign_on is not None:
            found.append(_person(upstream, sign_on, timeout))
        found.append(_refusal(f"{upstream.name}-stranger", _path(upstream), 401, sign_on))
    return [*found, _refusal("nobody", {"prefix": "/"}, 404, sign_on)]


def challenge(sign_on: SignOn | None) -> Data:
    """Return what the gateway's own 401 says of how to come back."""
    schemes = "Api-Key" if sign_on is None else "Bearer, Api-Key"
    status = {"comparison": {"op": "EQ", "value": {"default_value": 401, "runtime_key": "unused"}}}
    return {
        "filter": {"status_code_filter": status},
        "headers_to_add": [{"header": {"key": "www-authenticate", "value": schemes}}],
    }


def access_filters(
    upstreams: Sequence[Upstream], sign_on: SignOn | None, folder: str
) -> list[Data]:
    """Return the filters that routes configure, in the order in which a request meets them.

    ``folder`` holds what ``credentials`` returns.
    """
    if sign_on is None:
        return []
    return [
        _filter(JWT, "jwt_authn", "JwtAuthentication", jwt(sign_on)),
        # Without a policy nobody is allowed; the routes bring theirs.
        _filter(RBAC, "rbac", "RBAC", {"rules": {"action": "ALLOW"}}),
        *(_injector(upstream, folder) for upstream in upstreams),
    ]


def credentials(upstreams: Sequence[Upstream], secrets: str) -> dict[str, Data]:
    """Return Envoy's descriptions of the injected keys, by file name; the keys stay in files."""
    return {
        f"{upstream.key_file}.json": {
            "resources": [
                {
                    "@type": SECRET,
                    "name": upstream.key_file,
                    "generic_secret": {"secret": {"filename": f"{secrets}/{upstream.key_file}"}},
                }
            ]
        }
        for upstream in upstreams
    }


def jwt(sign_on: SignOn) -> Data:
    """Return how tokens are verified: signature, issuer, audience, times."""
    provider = {
        "issuer": sign_on.issuer,
        "audiences": list(sign_on.audiences),
        "require_expiration": True,
        "clock_skew_seconds": 60,
        # A second lock: the route has let only this header through; the default also reads queries.
        "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
        "forward": False,
        "payload_in_metadata": CLAIMS,
        "claim_to_headers": [
            {"header_name": header, "claim_name": claim}
            for header, claim in (
                (SUBJECT_HEADER, sign_on.subject_claim),
                (TENANT_HEADER, sign_on.tenant_claim),
            )
            if claim is not None
        ],
        "remote_jwks": {
            "http_uri": {
                "uri": f"https://{sign_on.jwks_host}:{sign_on.jwks_port}{sign_on.jwks_path}",
                "cluster": "issuer",
                "timeout": "5s",
            },
            "cache_duration": f"{sign_on.jwks_cache_seconds}s",
            # Fetched before the first request, and again before it is stale: no caller waits.
            "async_fetch": {"failed_refetch_duration": "1s"},
            "retry_policy": {"num_retries": 3},
        },
    }
    return {
        "providers": {PROVIDER: provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": PROVIDER}}],
        # Why a token was refused is for the log; the caller learns that it was.
        "strip_failure_response": True,
    }


def rules(sign_on: SignOn) -> Data:
    """Return which role may do what; the first that allows is enough."""
    return {
        "action": "ALLOW",
        "policies": {
            role.value: {
                "permissions": _permissions(role),
                "principals": [_has_role(sign_on, name)],
            }
            for role, name in sign_on.roles.items()
        },
    }


def _permissions(role: Role) -> list[Data]:
    is_search = {"url_path": {"path": {"suffix": "/search"}}}
    search = {"and_rules": {"rules": [_method("POST"), is_search]}}
    match role:
        case Role.READ:
            return [_method("GET"), _method("HEAD"), search]
        case Role.WRITE:
            return [_method(name) for name in ("GET", "HEAD", "POST", "PUT", "PATCH")]
        case Role.ADMIN:
            return [_method(name) for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")]


def _method(name: str) -> Data:
    return {"header": {"name": ":method", "string_match": {"exact": name}}}


def _has_role(sign_on: SignOn, name: str) -> Data:
    """Match a claim that is the role, or a list with the role in it."""
    path = [{"key": key} for key in (CLAIMS, *sign_on.roles_claim)]
    text = {"string_match": {"exact": name}}
    values = (text, {"list_match": {"one_of": text}})
    matchers = [{"filter": JWT, "path": path, "value": value} for value in values]
    return {"or_ids": {"ids": [{"sourced_metadata": {"metadata_matcher": m}} for m in matchers]}}


def _path(upstream: Upstream) -> Data:
    if upstream.exact:
        return {"path_separated_prefix": upstream.prefix}
    return {"prefix": f"{upstream.prefix}/"}


def _machine(upstream: Upstream, sign_on: SignOn | None, timeout: str) -> Data:
    """Pass the header on untouched; neither token nor role nor injection happens here."""
    return {
        "name": f"{upstream.name}-machine",
        "match": {**_path(upstream), "headers": [_authorization(MACHINE)]},
        "route": _to(upstream, timeout),
        **_unchecked(sign_on),
    }


def _person(upstream: Upstream, sign_on: SignOn, timeout: str) -> Data:
    """Let the token's roles decide, then give the request the service's key."""
    injection = {"@type": f"{TYPES}.config.route.v3.FilterConfig", "config": {}}
    return {
        "name": f"{upstream.name}-person",
        "match": {**_path(upstream), "headers": [_authorization(PERSON)]},
        "route": _to(upstream, timeout),
        "typed_per_filter_config": {
            RBAC: _typed("rbac", "RBACPerRoute", {"rbac": {"rules": rules(sign_on)}}),
            _injector_name(upstream): injection,
        },
    }


def _refusal(name: str, match: Data, status: int, sign_on: SignOn | None) -> Data:
    return {
        "name": name,
        "match": match,
        "direct_response": {"status": status},
        **_unchecked(sign_on),
    }


def _unchecked(sign_on: SignOn | None) -> Data:
    """Switch token and roles off for a route that has no use for them."""
    if sign_on is None:
        return {}
    return {
        "typed_per_filter_config": {
            JWT: _typed("jwt_authn", "PerRouteConfig", {"disabled": True}),
            RBAC: _typed("rbac", "RBACPerRoute", {}),
        }
    }


def _to(upstream: Upstream, timeout: str) -> Data:
    return {
        "cluster": upstream.name,
        "timeout": timeout,
        # Only what cannot have reached the service: a second POST would be a second memory.
        "retry_policy": {"retry_on": "connect-failure,refused-stream", "num_retries": 2},
    }


def _authorization(pattern: str) -> Data:
    return {"name": "authorization", "string_match": {"safe_regex": {"regex": pattern}}}


def _injector_name(upstream: Upstream) -> str:
    return f"key-of-{upstream.name}"


def _injector(upstream: Upstream, folder: str) -> Data:
    """Return the filter that gives a request the service's key; off until a route asks."""
    source = {"path_config_source": {"path": f"{folder}/{upstream.key_file}.json"}}
    generic = {
        "@type": f"{TYPES}.extensions.http.injected_credentials.generic.v3.Generic",
        "header": "Authorization",
        "header_value_prefix": "Api-Key ",
        "credential": {"name": upstream.key_file, "sds_config": source},
    }
    config = {
        "overwrite": True,
        # No key, no request: it would arrive as nobody's.
        "allow_request_without_credential": False,
        "credential": {"name": "generic", "typed_config": generic},
    }
    name = _injector_name(upstream)
    return {
        **_filter(name, "credential_injector", "CredentialInjector", config),
        "disabled": True,
    }


def _filter(name: str, package: str, message: str, config: Data) -> Data:
    return {"name": name, "typed_config": _typed(package, message, config)}


def _typed(package: str, message: str, fields: Data) -> Data:
    return {"@type": f"{TYPES}.extensions.filters.http.{package}.v3.{message}", **fields}
