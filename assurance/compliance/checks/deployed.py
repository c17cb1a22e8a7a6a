"""What Azure says of what it made, beside what was asked of it."""

from collections.abc import Iterator
from datetime import datetime

from assurance.compliance.checks.model import Check, Seen, seen
from assurance.compliance.model import Truth
from assurance.compliance.truths import Truths
from assurance.policies.model import Resource

SERVER = "azure-native:dbforpostgresql:Server"
MICROSOFTS = "a key of Microsoft's"


def key_of(server: Resource) -> str:
    """Return the key that encrypts a server, as Azure answered."""
    encryption = server.outputs.get("dataEncryption") or {}
    return str(encryption.get("primaryKeyURI") or MICROSOFTS)


def _keys_in_use(truths: Truths, _at: datetime) -> Seen:
    servers = truths.deployed.of_type(SERVER)
    gone = [each for each in truths.absent() if each.type == SERVER]
    if not servers and not gone:
        return Seen("", unknown="no server of this stack: its owner answers for it")
    found = ", ".join(f"{server.name}: {key_of(server)}" for server in servers)
    faults = [fault for server in servers for fault in _faults(server)]
    return seen(found, [*faults, *(f"{each.name}: declared, and not there" for each in gone)])


def _faults(server: Resource) -> Iterator[str]:
    if key_of(server) == MICROSOFTS:
        yield f"{server.name} is encrypted with {MICROSOFTS}"
        return
    status = (server.outputs.get("dataEncryption") or {}).get("primaryEncryptionKeyStatus")
    if status != "Valid":
        yield f"{server.name}: Azure calls its key {status or 'nothing at all'}"


DEPLOYED = (
    Check(
        name="key-in-use",
        title="Azure encrypts every server with a key of ours, which it can use",
        truth=Truth.DEPLOYED,
        remedy="docs/runbooks/key-unavailable.md; one made without the key is made anew",
        look=_keys_in_use,
    ),
)
