"""Whom the gateway calls, as Envoy's own words: the services behind it, and the token issuer."""

from typing import Any

from components.gateway_access import TYPES, SignOn, Upstream

Data = dict[str, Any]

PUBLIC_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""In Envoy's image, for issuers with a public certificate."""


def service(upstream: Upstream, max_requests: int) -> Data:
    """Return a service of ours; above its bound callers get 503 instead of waiting."""
    bounds = {
        "max_connections": max_requests,
        "max_pending_requests": max_requests,
        "max_requests": max_requests,
    }
    return {
        **cluster(upstream.name, "STRICT_DNS", upstream.host, upstream.port),
        "circuit_breakers": {"thresholds": [bounds]},
        # A service's address balances connections, not requests: use each for a while only.
        "typed_extension_protocol_options": _http_options(
            {"max_requests_per_connection": 1000, "idle_timeout": "30s"}
        ),
    }


def issuer(sign_on: SignOn) -> Data:
    """Return where the tokens' public keys come from; its certificate is verified by name."""
    name = {"san_type": "DNS", "matcher": {"exact": sign_on.jwks_host}}
    authority = (
        {"filename": PUBLIC_AUTHORITIES}
        if sign_on.issuer_ca is None
        else {"inline_string": sign_on.issuer_ca}
    )
    context = {
        "sni": sign_on.jwks_host,
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "validation_context": {
                "trusted_ca": authority,
                "match_typed_subject_alt_names": [name],
            },
        },
    }
    return {
        **cluster("issuer", "LOGICAL_DNS", sign_on.jwks_host, sign_on.jwks_port),
        "transport_socket": transport_socket("UpstreamTlsContext", context),
    }


def cluster(name: str, kind: str, host: str, port: int) -> Data:
    """Return a cluster with one address."""
    endpoint = {"endpoint": {"address": socket_address(host, port)}}
    return {
        "name": name,
        "type": kind,
        "connect_timeout": "5s",
        **({} if kind == "STATIC" else {"dns_lookup_family": "V4_PREFERRED"}),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _http_options(common: Data) -> Data:
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {
        "@type": f"type.googleapis.com/{name}",
        "common_http_protocol_options": common,
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {name: options}


def socket_address(address: str, port: int) -> Data:
    """Return an address as Envoy spells it."""
    return {"socket_address": {"address": address, "port_value": port}}


def transport_socket(message: str, context: Data) -> Data:
    """Return TLS, in one direction."""
    kind = f"{TYPES}.extensions.transport_sockets.tls.v3.{message}"
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": kind, **context},
    }
