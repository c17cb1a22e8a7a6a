"""What the operator supplied: the versions of the keys, and who used them."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from assurance.compliance.checks.model import Check, Seen, seen
from assurance.compliance.model import Truth
from assurance.compliance.truths import Facts, Truths
from assurance.errors import AssuranceError
from assurance.policies.model import Resource

KEY = "azure-native:keyvault:Key"
VERSION = re.compile(r"https://(?P<vault>[^./]+)\.[^/]+/keys/(?P<key>[^/]+)/(?P<version>[^/]+)")
GRACE = timedelta(days=2)
"""Azure rotates on the day, not to the minute."""
NO_KEY = "no key of this stack: its owner answers for it"
REFUSED = 400
RECENT = timedelta(days=7)
"""Of the log: a server that runs unwraps its key each hour, so less is no log of it."""
OPERATION = "Key"
"""What the names of operations on keys begin with, as ``KeyUnwrap``."""


def versions_of(key: Resource, listed: tuple[Facts, ...]) -> list[Facts]:
    """Return the versions of a key, the newest first."""
    wanted = (key.get("vaultName"), key.get("keyName"))
    mine = [entry for entry in listed if _of(entry)[:2] == wanted]
    return sorted(mine, key=created, reverse=True)


def version_name(entry: Facts) -> str:
    """Return the version's own name."""
    return _of(entry)[2]


def created(entry: Facts) -> datetime:
    """Return when a version was made."""
    try:
        return datetime.fromisoformat(entry["attributes"]["created"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError) as error:
        raise AssuranceError(
            f"--key-versions: {entry.get('kid')!r} does not say when it was created; give what "
            "`az keyvault key list-versions` prints"
        ) from error


def _of(entry: Facts) -> tuple[str, str, str]:
    match = VERSION.match(entry.get("kid", ""))
    if match is None:
        raise AssuranceError(
            f"--key-versions: {entry.get('kid')!r} is no version of a key; give what "
            "`az keyvault key list-versions` prints"
        )
    return match["vault"], match["key"], match["version"]


def rotated_after(key: Resource) -> timedelta | None:
    """Return how old a version may become, as the key's own policy says."""
    for action in key.get("properties.rotationPolicy.lifetimeActions") or ():
        days = re.fullmatch(r"P(\d+)D", (action.get("trigger") or {}).get("timeAfterCreate") or "")
        if (action.get("action") or {}).get("type") == "rotate" and days:
            return timedelta(days=int(days[1]))
    return None


def _rotated(truths: Truths, at: datetime) -> Seen:
    keys = truths.deployed.of_type(KEY)
    gone = [each for each in truths.absent() if each.type == KEY]
    if not keys and not gone:
        return Seen("", unknown=NO_KEY)
    listed = truths.key_versions or ()
    found = ", ".join(_age(key, listed, at) for key in keys)
    faults = [fault for key in keys for fault in _overdue(key, listed, at)]
    return seen(found, [*faults, *(f"{each.name}: declared, and not there" for each in gone)])


def _age(key: Resource, listed: tuple[Facts, ...], at: datetime) -> str:
    versions = versions_of(key, listed)
    if not versions:
        return f"{key.name}: no version"
    days = (at - created(versions[0])).days
    return f"{key.name}: {len(versions)} versions, the newest {days} days old"


def _overdue(key: Resource, listed: tuple[Facts, ...], at: datetime) -> Iterator[str]:
    versions, limit = versions_of(key, listed), rotated_after(key)
    if limit is None:
        yield f"{key.name} has no policy that rotates it"
    elif not versions:
        yield f"{key.name}: no version is listed"
    elif created(versions[0]) > at:
        yield f"{key.name}: its newest version is younger than this collection, of {at:%Y-%m-%d}"
    elif at - created(versions[0]) > limit + GRACE:
        yield f"{_age(key, listed, at)}; it is rotated after {limit.days}"
    elif not versions[0]["attributes"].get("enabled", True):
        yield f"{key.name}: its newest version is disabled"


def _rotations(truths: Truths, _at: datetime) -> Seen:
    """Tell how many of the rotations that there were came in time."""
    late: list[str] = []
    number = 0
    for key in truths.deployed.of_type(KEY):
        limit = rotated_after(key)
        newest_first = [created(each) for each in versions_of(key, truths.key_versions or ())]
        for newer, older in pairwise(newest_first):
            number += 1
            if limit is None or newer - older > limit + GRACE:
                late.append(f"{key.name}: rotated {newer:%Y-%m-%d}, {(newer - older).days} days on")
    if not number:
        return Seen("", unknown="no key was rotated yet: there is no rate before the first time")
    return seen(f"{number} of {number} rotations came in time", late)


def refused(entry: Mapping[str, Any]) -> bool:
    """Return whether the vault said no."""
    return status(entry) >= REFUSED


def status(entry: Mapping[str, Any]) -> int:
    """Return what the vault answered; 0 where the entry does not say."""
    said = str(entry.get("HttpStatusCode") or "")
    return int(said) if said.isdecimal() else 0


def _used(truths: Truths, at: datetime) -> Seen:
    vaults = {str(key.get("vaultName")).casefold() for key in truths.deployed.of_type(KEY)}
    if not vaults:
        return Seen("", unknown=NO_KEY)
    entries = [each for each in truths.key_access or () if _counts(each, at)]
    ours = [each for each in entries if vault_of(each) in vaults]
    faults = [entry for entry in ours if refused(entry)]
    silent = vaults - {vault_of(entry) for entry in ours if not refused(entry)}
    return Seen(
        f"{len(ours)} operations on keys within {RECENT.days} days, none refused",
        (f"{len(faults)} of {len(ours)} operations were refused",) if faults else (),
        f"the log has no operation on a key of {', '.join(sorted(silent))} within {RECENT.days} "
        "days: a server that runs unwraps its key each hour"
        if silent
        else "",
    )


def _counts(entry: Facts, at: datetime) -> bool:
    """Return whether an entry says which operation on a key was answered, and lately."""
    try:
        time = datetime.fromisoformat(str(entry.get("TimeGenerated")))
    except ValueError:
        return False
    time = time.replace(tzinfo=time.tzinfo or UTC)
    return (
        at - RECENT <= time <= at
        and str(entry.get("OperationName")).startswith(OPERATION)
        and bool(status(entry))
    )


def vault_of(entry: Facts) -> str:
    """Return the name of the vault that an entry is of; all of Azure has one of it."""
    of, _, name = str(entry.get("_ResourceId")).casefold().rpartition("/")
    return name if of.endswith("/microsoft.keyvault/vaults") else ""


RECORDS = (
    Check(
        name="key-rotated",
        title="No key is older than its rotation policy says",
        truth=Truth.RECORDS,
        remedy="docs/runbooks/key-rotation.md",
        look=_rotated,
        source="key_versions",
    ),
    Check(
        name="key-rotations",
        title="Every rotation that there was came in time",
        truth=Truth.RECORDS,
        remedy="docs/runbooks/key-rotation.md",
        look=_rotations,
        source="key_versions",
    ),
    Check(
        name="key-access",
        title="The vault logged who used the keys, and refused nobody",
        truth=Truth.RECORDS,
        remedy="find out who was refused: the log says identity and address",
        look=_used,
        source="key_access",
    ),
)
