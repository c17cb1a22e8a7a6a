"""Keys and secrets in vaults: of what kind, for what use, and for how long."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from assurance.policies.azure import CERTIFICATE, KEY, PASSWORD, SECRET, is_number
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import must_be, must_be_on, must_have, unlike

SMALLEST_KEY_BITS: Final = 3072
"""128 bits of security: NIST SP 800-57, part 1."""
LONGEST_ROTATION_DAYS: Final = 90
SHORTEST_PASSWORD: Final = 24
LONGEST_SECRET_DAYS: Final = 365
LONGEST_CERTIFICATE_DAYS: Final = 397
"""What browsers took from public authorities until 2026, less a day for clocks that are wrong."""
WRAPPING: Final = frozenset({"wrapKey", "unwrapKey"})
DAYS: Final = {"D": 1, "W": 7, "M": 30, "Y": 365}


def days_of(duration: object) -> int | None:
    """Return the days of ``P90D`` or ``P3M``; nothing for anything else."""
    parsed = re.fullmatch(r"P(\d+)([DWMY])", str(duration))
    return int(parsed[1]) * DAYS[parsed[2]] if parsed else None


@resource_rule(
    KEY,
    name="key-strong",
    title="A key is RSA of 3072 bits or more, which databases and disks can use",
    severity=Severity.HIGH,
    remediation="Set kty to RSA or RSA-HSM and keySize to 3072 or 4096.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-12", "SC-13"),
    azure_policy=(
        "75c4f823-d65c-4f29-a733-01d0077fdbcb",
        "82067dbb-e53b-4e06-b631-546d197452d9",
    ),
)
def strong(key: Resource) -> Iterator[str]:
    """Elliptic curves cannot wrap a data key."""
    yield from must_be(key.inputs, "properties.kty", "RSA", "RSA-HSM")
    if not is_number(key.get("properties.keySize"), SMALLEST_KEY_BITS):
        yield unlike("properties.keySize", key.get("properties.keySize"), "3072 or 4096")


@resource_rule(
    KEY,
    name="key-in-hardware",
    title="A key never leaves its hardware",
    severity=Severity.LOW,
    remediation="Set key_vault.hsm_backed to true; it is decided when the key is made.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-12", "SC-13"),
    azure_policy=("587c79fe-dd04-4a5e-9d0b-f89598c7261b",),
    checkov=("CKV_AZURE_112",),
)
def in_hardware(key: Resource) -> Iterator[str]:
    """It costs a little more for each key and month."""
    yield from must_be(key.inputs, "properties.kty", "RSA-HSM")


@resource_rule(
    KEY,
    name="key-only-wraps",
    title="A key wraps other keys, and does nothing else",
    severity=Severity.MEDIUM,
    remediation="Set keyOps to wrapKey and unwrapKey, and leave out exportable.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6", "SC-12"),
)
def only_wraps(key: Resource) -> Iterator[str]:
    """Whoever may use it can then neither decrypt data nor sign with it."""
    uses = key.get("properties.keyOps") or ()
    if not uses or set(uses) != WRAPPING:
        yield unlike("properties.keyOps", uses, "wrapKey, unwrapKey")
    if key.get("properties.attributes.exportable"):
        yield "properties.attributes.exportable is true; allowed: false"


@resource_rule(
    KEY,
    name="key-rotates",
    title="A key is renewed every 90 days by itself",
    severity=Severity.HIGH,
    remediation="Give the rotationPolicy an action rotate with timeAfterCreate P90D or less.",
    ai_rmf=("MEASURE 2.7", "MANAGE 2.3"),
    sp800_53=("SC-12",),
    azure_policy=("d8cf8476-a2ec-4916-896e-992351803c44",),
    psrule=("Azure.KeyVault.AutoRotationPolicy",),
)
def rotates(key: Resource) -> Iterator[str]:
    """What nobody has to remember is not forgotten."""
    action = _action(key, "rotate")
    found = action.get("trigger", {}).get("timeAfterCreate") if action else None
    days = days_of(found)
    if days is None or days > LONGEST_ROTATION_DAYS:
        yield unlike("rotationPolicy, rotate after", found, f"P{LONGEST_ROTATION_DAYS}D or less")


@resource_rule(
    KEY,
    name="key-tells-before-it-ends",
    title="Each version of a key ends, after its rotation, and somebody is told before",
    severity=Severity.HIGH,
    remediation="Give the rotationPolicy an expiryTime later than its rotation, and an action"
    " notify.",
    ai_rmf=("MEASURE 2.4", "MANAGE 2.3"),
    sp800_53=("SC-12",),
    azure_policy=("152b15f7-8e1f-4c1f-ab71-8c010ba5dbc0", "49a22571-d204-4c91-a7b6-09b1a586fbc9"),
    checkov=("CKV_AZURE_40",),
    trivy=("AZU-0014",),
)
def tells_before_it_ends(key: Resource) -> Iterator[str]:
    """An expiry of the key itself would stop the database; that of a version does not."""
    ends = days_of(key.get("properties.rotationPolicy.attributes.expiryTime"))
    if ends is None or ends <= LONGEST_ROTATION_DAYS:
        found = key.get("properties.rotationPolicy.attributes.expiryTime")
        yield unlike("rotationPolicy.attributes.expiryTime", found, "more than P90D")
    action = _action(key, "notify")
    if action is None or days_of(action.get("trigger", {}).get("timeBeforeExpiry")) is None:
        yield "nobody is told before a version ends; allowed: notify with timeBeforeExpiry"


@resource_rule(
    KEY,
    name="key-stays",
    title="A key has no day on which the database stops",
    severity=Severity.CRITICAL,
    remediation="Leave out attributes.exp and attributes.enabled; let the rotation policy end"
    " versions.",
    ai_rmf=("MANAGE 2.4",),
    sp800_53=("SC-12",),
)
def stays(key: Resource) -> Iterator[str]:
    """A server whose key has expired or is disabled refuses all connections within the hour."""
    if (ends := key.get("properties.attributes.exp")) is not None:
        yield unlike("properties.attributes.exp", ends, "not set")
    if key.get("properties.attributes.enabled", default=True) is not True:
        yield "properties.attributes.enabled is false; allowed: true"


def _action(key: Resource, kind: str) -> Any:
    """Return the action of a kind of the rotation policy, or nothing."""
    for action in key.get("properties.rotationPolicy.lifetimeActions") or ():
        if str(action.get("action", {}).get("type")).casefold() == kind:
            return action
    return None


@resource_rule(
    SECRET,
    name="secret-says-what",
    title="A secret says what it is",
    severity=Severity.LOW,
    remediation="Set properties.contentType.",
    ai_rmf=("MAP 4.2",),
    sp800_53=("CM-8",),
    azure_policy=("75262d3e-ba4a-4f43-85f8-9f72c090e5e3",),
    checkov=("CKV_AZURE_114",),
    trivy=("AZU-0015",),
)
def says_what(secret: Resource) -> Iterator[str]:
    """Whoever rotates it has to know."""
    yield from must_have(secret.inputs, "properties.contentType", what="what the secret is")


@stack_rule(
    name="secret-ends",
    title="A secret ends within a year of its renewal, and is in use until then",
    severity=Severity.MEDIUM,
    remediation="Set properties.attributes: enabled, and expires to passwords.valid_days after"
    " passwords.renewed_on.",
    ai_rmf=("MEASURE 2.7", "MANAGE 2.3"),
    sp800_53=("IA-5(1)",),
    azure_policy=("98728c90-32c7-4049-8429-847dc0f4fe37",),
    checkov=("CKV_AZURE_41",),
    trivy=("AZU-0017",),
)
def ends(stack: Stack) -> Iterator[Fault]:
    """Nothing is renewed that need not be."""
    last = _last_end(stack)
    for secret in stack.of_type(SECRET):
        expires = secret.get("properties.attributes.expires")
        if not is_number(expires, 1, last):
            allowed = f"seconds since 1970, at most {LONGEST_SECRET_DAYS} days after a renewal"
            yield secret, unlike("properties.attributes.expires", expires, allowed)
        for words in must_be_on(secret.inputs, "properties.attributes.enabled"):
            yield secret, words


def _last_end(stack: Stack) -> float:
    """Return the last second at which any secret may end; 0 where none says when it was renewed.

    It is counted from the newest day that passwords name, not from the clock: what complies today
    does so tomorrow.
    """
    named = (_day(it.get("keepers.renewed_on")) for it in stack.of_type(PASSWORD))
    days = [day for day in named if day is not None]
    if not days:
        return 0
    last = max(days) + timedelta(days=LONGEST_SECRET_DAYS)
    return datetime.combine(last, time(), UTC).timestamp()


def _day(found: object) -> date | None:
    try:
        return date.fromisoformat(str(found))
    except ValueError:
        return None


@resource_rule(
    PASSWORD,
    name="secret-password-length",
    title="A generated password cannot be guessed",
    severity=Severity.HIGH,
    remediation="Set length to 24 or more, with capitals, small letters and digits.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("IA-5(1)",),
)
def password_length(password: Resource) -> Iterator[str]:
    """24 letters and digits are 142 bits."""
    if not is_number(password.get("length"), SHORTEST_PASSWORD):
        yield unlike("length", password.get("length"), f"{SHORTEST_PASSWORD} or more")
    for kind in ("minUpper", "minLower", "minNumeric"):
        if not is_number(password.get(kind), 1):
            yield unlike(kind, password.get(kind), "1 or more")


@resource_rule(
    CERTIFICATE,
    name="secret-certificate-days",
    title="A certificate is for named hosts, and for 397 days at most",
    severity=Severity.MEDIUM,
    remediation="Name each host, without a wildcard, and set valid_days to 397 or less.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-12", "SC-17"),
)
def certificate_days(certificate: Resource) -> Iterator[str]:
    """Whoever finds the key of a wildcard is any of our hosts."""
    days = certificate.get("valid_days")
    if not is_number(days, 1, LONGEST_CERTIFICATE_DAYS):
        yield unlike("valid_days", days, f"1 to {LONGEST_CERTIFICATE_DAYS}")
    names = certificate.get("names") or ()
    if not names or any("*" in name for name in names):
        yield unlike("names", names, "hosts by their names")
