"""Envoy's static configuration, as data: a pure function of what a gateway is told.

Nothing in it is secret: certificate and keys stay in files that the vault's driver mounts, and
Envoy watches.  Tests run a real Envoy with what this module returns, other addresses apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from components.gateway_access import (
    SECRET,
    SUBJECT_HEADER,
    TYPES,
    SignOn,
    Upstream,
    access_filters,
    challenge,
    credentials,
    routes,
)
from components.gateway_clusters import cluster, issuer, service, socket_address, transport_socket
from components.vault_secrets import GATEWAY_CERTIFICATE

Data = dict[str, Any]

BOOTSTRAP = "envoy.json"
LOG_FIELDS = {
    "time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    # Never the query, which may hold what somebody remembers.
    "path": "%REQ_WITHOUT_QUERY(:PATH)%",
    "protocol": "%PROTOCOL%",
    "tls": "%DOWNSTREAM_TLS_VERSION%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "route": "%ROUTE_NAME%",
    "subject": f"%REQ({SUBJECT_HEADER})%",
    "client": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "duration_ms": "%DURATION%",
    "upstream": "%UPSTREAM_CLUSTER%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
}
"""What is written of a request: neither query, credential nor body."""

LOCAL_REPLY = {"error": "%RESPONSE_CODE%", "message": "%LOCAL_REPLY_BODY%"}
"""What the gateway answers by itself; the services' answers pass as they are."""

UNTRUSTED = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-client-cert",
    "x-real-ip",
    "x-request-id",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
)
"""Headers that would make somebody behind the gateway believe another client, path or method."""
NOBODY = {"address_prefix": "255.255.255.255", "prefix_len": 32}
"""Whose requests are not a client's: with no address given, Envoy trusts every private one."""
TRUSTED_PREFIXES = ("x-engram-", "x-envoy-")
"""Headers that only the gateway may set."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one client can take."""

    max_request_bytes: int = 5 * 1024 * 1024
    """Zep's own limit; above it, 413."""
    max_header_kib: int = 32
    """A token of Entra with many groups is 16 KiB long."""
    max_headers: int = 64
    max_connections: int = 1000
    max_streams: int = 100
    """Parallel requests in one HTTP/2 connection."""
    max_upstream_requests: int = 400
    """At once to one service; above it, 503."""
    timeout_seconds: int = 60
    """Of one request: Zep gives up after 30, and a stuck lock after 51."""
    idle_seconds: int = 300


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """What a caller decides."""

    upstreams: Sequence[Upstream]
    sign_on: SignOn | None
    heap_bytes: int
    """Above 95 % of it requests are refused, before the kernel kills the process."""
    limits: Limits = field(default_factory=Limits)
    address: str = "0.0.0.0"  # noqa: S104 - a pod's own, and only what a policy lets in
    port: int = 8443
    status_port: int = 8081
    """Readiness and metrics, in plain HTTP, for the kubelet and for Prometheus."""
    admin_port: int = 9901
    """On loopback: it can stop the process and show its configuration."""
    folder: str = "/etc/envoy"
    """Where the files of ``files`` are."""
    secrets: str = "/etc/engram/secrets"


def files(config: GatewayConfig) -> dict[str, Data]:
    """Return Envoy's files by name: the bootstrap and what it reads its secrets by."""
    keys = {} if config.sign_on is None else credentials(config.upstreams, config.secrets)
    certificate = f"{GATEWAY_CERTIFICATE}.json"
    return {BOOTSTRAP: bootstrap(config), certificate: _certificate(config), **keys}


def bootstrap(config: GatewayConfig) -> Data:
    """Return the configuration that Envoy starts with."""
    keys = [] if config.sign_on is None else [issuer(config.sign_on)]
    return {
        "node": {"id": "gateway", "cluster": "engram"},
        "admin": {"address": socket_address("127.0.0.1", config.admin_port)},
        "static_resources": {
            "listeners": [_entrance(config), _status(config)],
            "clusters": [
                *(
                    service(upstream, config.limits.max_upstream_requests)
                    for upstream in config.upstreams
                ),
                *keys,
                cluster("admin", "STATIC", "127.0.0.1", config.admin_port),
            ],
        },
        "overload_manager": _overload(config),
    }


def _certificate(config: GatewayConfig) -> Data:
    """Return where key and chain are; the driver replaces the file by a move, which is watched."""
    file = {"filename": f"{config.secrets}/{GATEWAY_CERTIFICATE}"}
    resource = {
        "@type": SECRET,
        "name": GATEWAY_CERTIFICATE,
        "tls_certificate": {
            "certificate_chain": file,
            "private_key": file,
            "watched_directory": {"path": config.secrets},
        },
    }
    return {"resources": [resource]}


def _entrance(config: GatewayConfig) -> Data:
    return {
        "name": "entrance",
        "address": socket_address(config.address, config.port),
        "per_connection_buffer_limit_bytes": 64 * 1024,
        "filter_chains": [
            {
                "filters": [_network_filter(_http(config))],
                "transport_socket": _tls_server(config),
                "transport_socket_connect_timeout": "10s",
            }
        ],
    }


def _tls_server(config: GatewayConfig) -> Data:
    source = {"path_config_source": {"path": f"{config.folder}/{GATEWAY_CERTIFICATE}.json"}}
    common = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {
            "tls_minimum_protocol_version": "TLSv1_3",
            "tls_maximum_protocol_version": "TLSv1_3",
        },
        "tls_certificate_sds_secret_configs": [{"name": GATEWAY_CERTIFICATE, "sds_config": source}],
    }
    return transport_socket("DownstreamTlsContext", {"common_tls_context": common})


def _http(config: GatewayConfig) -> Data:
    limits = config.limits
    return {
        "stat_prefix": "entrance",
        "server_name": "engram",
        "codec_type": "AUTO",
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        # The peer's own address is the client; what it says of others is removed first.
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": [NOBODY]},
        "early_header_mutation_extensions": [_untrusted()],
        "max_request_headers_kb": limits.max_header_kib,
        "request_headers_timeout": "10s",
        "request_timeout": f"{limits.timeout_seconds}s",
        "stream_idle_timeout": f"{limits.timeout_seconds}s",
        "common_http_protocol_options": {
            "idle_timeout": f"{limits.idle_seconds}s",
            "max_headers_count": limits.max_headers,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": limits.max_streams,
            "initial_stream_window_size": 64 * 1024,
            "initial_connection_window_size": 1024 * 1024,
        },
        "local_reply_config": {
            "mappers": [challenge(config.sign_on)],
            "body_format": {"json_format": LOCAL_REPLY},
        },
        "access_log": [_access_log()],
        "http_filters": _http_filters(config),
        "route_config": {
            "name": "entrance",
            "virtual_hosts": [
                {
                    "name": "engram",
                    "domains": ["*"],
                    "routes": routes(
                        config.upstreams, config.sign_on, f"{limits.timeout_seconds}s"
                    ),
                }
            ],
        },
    }


def _http_filters(config: GatewayConfig) -> list[Data]:
    """Return the filters in order; a body is only read from somebody who may send it."""
    http = f"{TYPES}.extensions.filters.http"
    return [
        *access_filters(config.upstreams, config.sign_on, config.folder),
        {
            "name": "envoy.filters.http.buffer",
            "typed_config": {
                "@type": f"{http}.buffer.v3.Buffer",
                "max_request_bytes": config.limits.max_request_bytes,
            },
        },
        _router(),
    ]


def _router() -> Data:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": f"{TYPES}.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": True,
        },
    }


def _untrusted() -> Data:
    """Remove what a client says of itself, before anything reads it."""
    names = [{"remove": name} for name in UNTRUSTED]
    prefixes = [
        {"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in TRUSTED_PREFIXES
    ]
    header_mutation = f"{TYPES}.extensions.http.early_header_mutation.header_mutation.v3"
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{header_mutation}.HeaderMutation",
            "mutations": [*names, *prefixes],
        },
    }


def _access_log() -> Data:
    formatter = f"{TYPES}.extensions.formatter.req_without_query.v3.ReqWithoutQuery"
    log_format = {
        "json_format": LOG_FIELDS,
        "formatters": [
            {
                "name": "envoy.formatter.req_without_query",
                "typed_config": {"@type": formatter},
            }
        ],
    }
    return {
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": f"{TYPES}.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": log_format,
        },
    }


def _status(config: GatewayConfig) -> Data:
    """Return the listener that hands out two answers of the admin interface, and no more."""
    answers = {"/ready": "/ready", "/metrics": "/stats/prometheus"}
    found = [
        {
            "match": {
                "path": path,
                "headers": [{"name": ":method", "string_match": {"exact": "GET"}}],
            },
            "route": {"cluster": "admin", "prefix_rewrite": source},
        }
        for path, source in answers.items()
    ]
    http = {
        "stat_prefix": "status",
        "http_filters": [_router()],
        "route_config": {
            "name": "status",
            "virtual_hosts": [{"name": "status", "domains": ["*"], "routes": found}],
        },
    }
    return {
        "name": "status",
        "address": socket_address(config.address, config.status_port),
        # Counts as no client's: a full gateway still says how it is.
        "ignore_global_conn_limit": True,
        "filter_chains": [{"filters": [_network_filter(http)]}],
    }


def _network_filter(http: Data) -> Data:
    manager = f"{TYPES}.extensions.filters.network.http_connection_manager.v3"
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {"@type": f"{manager}.HttpConnectionManager", **http},
    }


def _overload(config: GatewayConfig) -> Data:
    monitors = f"{TYPES}.extensions.resource_monitors"
    heap = "envoy.resource_monitors.fixed_heap"
    connections = "envoy.resource_monitors.global_downstream_max_connections"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": heap,
                "typed_config": {
                    "@type": f"{monitors}.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": config.heap_bytes,
                },
            },
            {
                "name": connections,
                "typed_config": {
                    "@type": f"{monitors}.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": config.limits.max_connections,
                },
            },
        ],
        "actions": [
            _action("shrink_heap", heap, 0.9),
            _action("stop_accepting_requests", heap, 0.95),
        ],
    }


def _action(name: str, monitor: str, above: float) -> Data:
    return {
        "name": f"envoy.overload_actions.{name}",
        "triggers": [{"name": monitor, "threshold": {"value": above}}],
    }
