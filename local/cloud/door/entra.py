"""``login.microsoftonline.com``: discovery, keys, and tokens for whom a cluster vouches."""

import re
import uuid
from collections.abc import Mapping

from local.cloud.door import directory, tokens
from local.cloud.door.directory import DirectoryError
from local.cloud.door.messages import Answer, Body, Refused, Request
from local.cloud.world import World

HOST = "https://login.microsoftonline.com"
FEDERATED = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN = re.compile(r"/([^/]+)/oauth2/v2\.0/token")
CONFIGURATION = re.compile(r"/([^/]+)/v2\.0/\.well-known/openid-configuration")
KEYS = re.compile(r"/([^/]+)/discovery/v2\.0/keys")
INSTANCE = "/common/discovery/instance"


def handle(world: World, request: Request) -> Answer:
    """Answer for the directory."""
    if request.path == INSTANCE:
        return Answer(body=_instance(request.query))
    if match := CONFIGURATION.fullmatch(request.path):
        return Answer(body=_configuration(match[1]))
    if KEYS.fullmatch(request.path):
        return Answer(body=tokens.public_keys(world))
    if (match := TOKEN.fullmatch(request.path)) and request.method == "POST":
        return _token(world, match[1], request.form())
    raise Refused(404, "NotFound", f"The local directory does not serve {request.path}.")


def _token(world: World, tenant: str, form: Mapping[str, str]) -> Answer:
    try:
        resource = _resource(form.get("scope", ""))
        token = tokens.issue(world, _caller(world, tenant, form), resource)
    except DirectoryError as error:
        return Answer(status=error.status, body=_refusal(error, world.now()))
    lifetime = tokens.LIFETIME_SECONDS
    return Answer(
        body={
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": token,
        }
    )


def _caller(world: World, tenant: str, form: Mapping[str, str]) -> tokens.Caller:
    if tenant not in directory.tenants(world):
        raise DirectoryError(
            90002,
            "invalid_request",
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and"
            " are signing into the correct cloud. Check with your subscription administrator,"
            " this may happen if there are no active subscriptions for the tenant.",
            status=400,
        )
    if form.get("grant_type") != "client_credentials":
        words = f"The app requested an unsupported grant type '{form.get('grant_type')}'."
        raise DirectoryError(70003, "unsupported_grant_type", words, status=400)
    client = form.get("client_id", "")
    if form.get("client_assertion_type") == FEDERATED:
        return directory.with_assertion(world, tenant, client, form.get("client_assertion", ""))
    if "client_secret" in form:
        return directory.with_secret(world, tenant, client, form["client_secret"])
    raise DirectoryError(
        7000218,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or"
        " 'client_secret'.",
    )


def _resource(scope: str) -> str:
    """Return whom a token for a scope is made out to."""
    asked = next((one for one in scope.split() if one.endswith("/.default")), "")
    name = asked.removesuffix("/.default").rstrip("/")
    if name not in tokens.RESOURCES:
        raise DirectoryError(
            500011,
            "invalid_resource",
            f"The resource principal named {name or scope} was not found in the tenant; the local"
            f" directory knows {', '.join(tokens.RESOURCES)}.",
            status=400,
        )
    return tokens.RESOURCES[name]


def _refusal(error: DirectoryError, now: float) -> Body:
    trace, correlation, when = str(uuid.uuid4()), str(uuid.uuid4()), tokens.stamp(now)
    return {
        "error": error.code,
        "error_description": f"{error} Trace ID: {trace} Correlation ID: {correlation}"
        f" Timestamp: {when}",
        "error_codes": [error.number],
        "timestamp": when,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"{HOST}/error?code={error.number}",
    }


def _configuration(tenant: str) -> Body:
    base = f"{HOST}/{tenant}"
    return {
        "issuer": f"{base}/v2.0",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [tokens.ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
    }


def _instance(query: Mapping[str, str]) -> Body:
    """Return which names are one and the same directory; MSAL asks before it trusts one."""
    tenant = query.get("authorization_endpoint", "").split("/")[3:4] or ["common"]
    names = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com"]
    return {
        "tenant_discovery_endpoint": f"{HOST}/{tenant[0]}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [
            {
                "preferred_network": names[0],
                "preferred_cache": names[1],
                "aliases": names,
            }
        ],
    }
