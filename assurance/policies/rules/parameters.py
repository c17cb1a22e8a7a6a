"""Parameters of PostgreSQL: one that the program does not set is one nobody answers for."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from assurance.policies.azure import PARAMETER, SERVER, is_cluster_node
from assurance.policies.model import Fault, Severity, Stack, stack_rule
from assurance.policies.words import unlike

Accepts = Callable[[str], bool]

LOGGED_STATEMENTS: Final = frozenset({"role", "ddl", "misc"})
PREFIX_PARTS: Final = ("%u", "%d", "%h", "%t")
"""Who, in which database, from where, when."""
SHORTEST_LOG_DAYS: Final = 7
SLOWEST_MS: Final = 60_000
"""A statement that takes a minute is slow for anybody."""
AZURES_OWN: Final = frozenset({"shared_preload_libraries", "logfiles.retention_days"})
"""What Azure sets itself in an elastic cluster, and lets nobody else set."""
HARMLESS: Final = frozenset(
    {"vector", "pg_stat_statements", "pgaudit", "pg_diskann", "pg_trgm", "pgcrypto", "uuid-ossp"}
)
"""Extensions that neither reach out of the server nor run what they are told."""


def _parameter_rule(
    parameter: str, accepts: Accepts, allowed: str, *, name: str, title: str, **about: Any
) -> None:
    """Register a rule: every server has the parameter, with a value that is accepted."""

    def check(stack: Stack) -> Iterator[Fault]:
        written = [
            found
            for found in stack.of_type(PARAMETER)
            if str(found.get("configurationName")).casefold() == parameter
        ]
        for server in stack.of_type(SERVER):
            own = [it for it in written if it.refers("serverName", server, own="serverName")]
            if not own and not (parameter in AZURES_OWN and is_cluster_node(server)):
                yield server, unlike(parameter, None, allowed)
            for found in own:
                value = found.get("value")
                if not accepts(str(value or "").strip().casefold()):
                    yield found, unlike(parameter, value, allowed)

    about.setdefault("remediation", f"Set the server parameter {parameter}: {allowed}.")
    stack_rule(name=name, title=title, **about)(check)


def _is(*values: str) -> Accepts:
    return lambda found: found in values


def _items(found: str) -> set[str]:
    return {item.strip() for item in found.split(",")}


def _is_audited(classes: set[str]) -> bool:
    """Return whether enough is logged; ``-ddl`` takes away what ``all`` gave."""
    enough = "all" in classes or classes >= LOGGED_STATEMENTS
    return enough and not any(item.startswith("-") for item in classes)


_ON: Final = _is("on", "true", "1")

_parameter_rule(
    "require_secure_transport",
    _ON,
    "on",
    name="postgres-tls-required",
    title="A database refuses connections without TLS",
    severity=Severity.CRITICAL,
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-8(1)",),
    azure_policy=("c29c38cb-74a7-4505-9a06-e588ab86620a",),
    checkov=("CKV_AZURE_29",),
    trivy=("AZU-0020",),
)
_parameter_rule(
    "ssl_min_protocol_version",
    _is("tlsv1.3"),
    "TLSv1.3",
    name="postgres-tls-version",
    title="A database speaks no TLS older than 1.3",
    severity=Severity.HIGH,
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-8(1)", "SC-13"),
    azure_policy=("a43d5475-c569-45ce-a268-28fa79f4e87a",),
    checkov=("CKV_AZURE_147",),
    trivy=("AZU-0026",),
)
_parameter_rule(
    "azure.accepted_password_auth_method",
    _is("scram-sha-256"),
    "scram-sha-256",
    name="postgres-password-login",
    title="No password crosses the wire as an MD5 sum",
    severity=Severity.HIGH,
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("IA-5(1)",),
)
_parameter_rule(
    "password_encryption",
    _is("scram-sha-256"),
    "scram-sha-256",
    name="postgres-password-storage",
    title="Passwords are kept as SCRAM verifiers",
    severity=Severity.HIGH,
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("IA-5(1)",),
)
_parameter_rule(
    "azure.extensions",
    lambda found: "vector" in _items(found) and _items(found) <= HARMLESS,
    f"vector, and of {', '.join(sorted(HARMLESS))} what is needed",
    name="postgres-extensions-listed",
    title="Only extensions that stay inside of the database can be created",
    severity=Severity.HIGH,
    remediation="Take the extension out of azure.extensions, or argue for it in the list of the"
    " rule.",
    ai_rmf=("MAP 4.1", "MEASURE 2.7"),
    sp800_53=("CM-7",),
)
_parameter_rule(
    "log_connections",
    lambda found: found in {"on", "true", "1", "all"},
    "on",
    name="postgres-log-connections",
    title="Who connects is logged",
    severity=Severity.MEDIUM,
    ai_rmf=("MEASURE 2.4", "MEASURE 2.8"),
    sp800_53=("AU-2", "AU-12"),
    azure_policy=("086709ac-11b5-478d-a893-9567a16d2ae3",),
    checkov=("CKV_AZURE_31",),
    trivy=("AZU-0019",),
)
_parameter_rule(
    "log_disconnections",
    _ON,
    "on",
    name="postgres-log-disconnections",
    title="When a session ends, and after how long, is logged",
    severity=Severity.LOW,
    ai_rmf=("MEASURE 2.4", "MEASURE 2.8"),
    sp800_53=("AU-2", "AU-12"),
    azure_policy=("1d14b021-1bae-4f93-b36b-69695e14984a",),
)
_parameter_rule(
    "log_checkpoints",
    _ON,
    "on",
    name="postgres-log-checkpoints",
    title="Checkpoints are logged, which tells why writes were slow",
    severity=Severity.LOW,
    ai_rmf=("MEASURE 2.4",),
    sp800_53=("AU-2",),
    azure_policy=("70be9e12-c935-49ac-9bd8-fd64b85c1f87",),
    checkov=("CKV_AZURE_30",),
    trivy=("AZU-0024",),
)
_parameter_rule(
    "log_lock_waits",
    _ON,
    "on",
    name="postgres-log-lock-waits",
    title="Who waits for whose lock is logged",
    severity=Severity.LOW,
    ai_rmf=("MEASURE 2.4",),
)
_parameter_rule(
    "log_min_duration_statement",
    lambda found: found.isdecimal() and int(found) <= SLOWEST_MS,
    f"milliseconds from 0 to {SLOWEST_MS}",
    name="postgres-log-slow-statements",
    title="Slow statements are logged",
    severity=Severity.LOW,
    ai_rmf=("MEASURE 2.4",),
)
_parameter_rule(
    "pg_stat_statements.track",
    _is("top", "all"),
    "top or all",
    name="postgres-statement-statistics",
    title="What statements cost is counted",
    severity=Severity.LOW,
    ai_rmf=("MEASURE 2.4",),
)
_parameter_rule(
    "pgaudit.log",
    lambda found: _is_audited(_items(found)),
    "ddl, misc and role, or more, and none taken away with -",
    name="postgres-audit",
    title="What changes roles, grants and tables is audited",
    severity=Severity.HIGH,
    ai_rmf=("MEASURE 2.8", "GOVERN 4.3"),
    sp800_53=("AU-2", "AU-12", "CM-6"),
    azure_policy=(
        "4eb5e667-e871-4292-9c5d-8bbb94e0c908",
        "eadbb524-8644-4a87-8af6-549e1d125982",
    ),
    trivy=("AZU-0027",),
)
for _parameter, _silent, _allowed, _name, _title in (
    (
        "pgaudit.log_parameter",
        _is("off", "false", "0"),
        "off",
        "postgres-audit-without-content",
        "The audit log says what was done, and not with which values",
    ),
    (
        "log_parameter_max_length",
        _is("0"),
        "0",
        "postgres-slow-log-without-content",
        "The log of slow statements holds none of their values",
    ),
    (
        "log_parameter_max_length_on_error",
        _is("0"),
        "0",
        "postgres-error-log-without-content",
        "The log of failed statements holds none of their values",
    ),
    (
        "log_error_verbosity",
        _is("terse"),
        "terse",
        "postgres-errors-without-content",
        "No error in the log quotes the row that was refused",
    ),
):
    _parameter_rule(
        _parameter,
        _silent,
        _allowed,
        name=_name,
        title=_title,
        severity=Severity.HIGH,
        ai_rmf=("MEASURE 2.10",),
        sp800_53=("AU-3(3)",),
    )
_parameter_rule(
    "shared_preload_libraries",
    lambda found: "pgaudit" in _items(found),
    "pgaudit among them",
    name="postgres-audit-loaded",
    title="The auditor is there from the server's start",
    severity=Severity.HIGH,
    ai_rmf=("MEASURE 2.8",),
    sp800_53=("AU-12",),
    azure_policy=("dd626066-39f5-4f72-aba8-06a99fabf278",),
)
_parameter_rule(
    "log_line_prefix",
    lambda found: all(part in found for part in PREFIX_PARTS),
    f"with {', '.join(PREFIX_PARTS)}",
    name="postgres-log-says-who",
    title="Every line of the log says who, where from, in which database and when",
    severity=Severity.MEDIUM,
    ai_rmf=("MEASURE 2.8",),
    sp800_53=("AU-3",),
    azure_policy=("3bf854e8-b34a-47fe-9f81-bc558c82b3bd",),
)
_parameter_rule(
    "logfiles.retention_days",
    lambda found: found.isdecimal() and int(found) >= SHORTEST_LOG_DAYS,
    "7 days or more",
    name="postgres-log-days",
    title="The server itself keeps a week of its log",
    severity=Severity.LOW,
    ai_rmf=("MEASURE 2.8",),
    sp800_53=("AU-11",),
    azure_policy=("f5ed3f7a-cf5d-4ee6-9ede-b5d5192ccf81",),
    checkov=("CKV_AZURE_146",),
)
_parameter_rule(
    "autovacuum",
    _ON,
    "on",
    name="postgres-autovacuum",
    title="Deleted memories leave the disk, and transaction ids do not run out",
    severity=Severity.MEDIUM,
    ai_rmf=("MANAGE 2.3",),
)
