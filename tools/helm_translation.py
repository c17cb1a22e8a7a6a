"""Translates Helm values into settings: which key went where, which went nowhere, and why."""

import copy
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stacks.settings.mistakes import HIDDEN, Mistake, shown
from tools.helm_keys import DATABASE_URL, KEYS, PLACEHOLDER, POSTGRES, PROVIDERS, URL, Key

ADDRESS = re.compile(
    r"postgres(?:ql)?://(?:(?P<login>.*)@)?(?P<host>[^:/?@]+)(?::(?P<port>\d+))?(?:/.*)?"
)
HOST, PORT = f"{POSTGRES}.host", f"{POSTGRES}.port"
VAULT_URL, KEY_NAME = "encryption.keyVaultUrl", "encryption.keyName"
MODEL = "graphiti.entityExtraction.model"
INDEX_TYPE = "memory.index.method"
POSTGRES_PORT = 5432
BOUNDS = {
    "workloads.zep.replicas": "workloads.zep.max_replicas",
    "connections.application.replicas": "workloads.memory_service.max_replicas",
}
"""The autoscaler's bound of each number of replicas."""


@dataclass
class Translation:
    """What became of a values file."""

    settings: dict[str, Any]
    moved: list[tuple[str, str, object]] = field(default_factory=list)
    """Key, path in the settings, value."""
    without_meaning: list[tuple[str, str]] = field(default_factory=list)
    """Key and why."""
    unresolved: list[tuple[str, str]] = field(default_factory=list)
    """Key and the name of the placeholder in it."""
    reminders: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)

    def idle(self, key: str, why: str) -> None:
        """Record that a key has no meaning here."""
        self.without_meaning.append((key, why))

    def move(self, key: str, path: str, value: object) -> None:
        """Write a value into the settings, and record where it came from."""
        put(self.settings, path, value)
        self.moved.append((key, path, value))


def leaves(values: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every key that holds a value, by its dotted path."""
    for name, value in values.items():
        inner = f"{path}.{name}".lstrip(".")
        if isinstance(value, Mapping):
            yield from leaves(value, inner)
        else:
            yield inner, value


def put(settings: dict[str, Any], path: str, value: object) -> None:
    """Set the value at a dotted path, making the objects on the way."""
    *parents, last = path.split(".")
    place = settings
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value


def get(settings: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or nothing."""
    place: Any = settings
    for name in path.split("."):
        place = place.get(name) if isinstance(place, Mapping) else None
    return place


def translate(
    values: Mapping[str, object],
    base: Mapping[str, Any],
    given: Mapping[str, str],
    overrides: Mapping[str, object],
) -> Translation:
    """Return the base's settings with the values in them.

    ``given`` has what stands for the file's placeholders, ``overrides`` settings that no key of
    the file tells.  Nothing is raised: mistakes are part of the result.
    """
    done = Translation(settings=copy.deepcopy(dict(base)))
    read = dict(_read(values, given, done))
    _compare(read, done)
    _postgres(read, done)
    _vault(read, done)
    _index(read, done)
    for key, value in read.items():
        _place(key, value, done)
    _raise_bounds(done)
    for path, value in overrides.items():
        put(done.settings, path, value)
    _compare_vaults(read, done)
    return done


def _read(
    values: Mapping[str, object], given: Mapping[str, str], done: Translation
) -> Iterator[tuple[str, Any]]:
    """Yield the keys that have a meaning and a value of the right type."""
    for path, raw in leaves(values):
        key = KEYS.get(path)
        if key is None:
            done.idle(path, _unknown(path))
            continue
        value = _filled(raw, given)
        if key.kind is URL:
            value = _without_login(value, done)
        names = PLACEHOLDER.findall(value) if isinstance(value, str) else []
        if names and key.to is None:
            done.idle(path, key.why)
        elif names:
            done.unresolved.append((path, names[0]))
        elif (read := key.kind.read(value)) is None:
            found = HIDDEN if key.kind is URL else shown(path, value)
            done.mistakes.append(Mistake(path, found, key.kind.allowed, key.kind.remedy))
        else:
            yield path, read


def _unknown(path: str) -> str:
    close = difflib.get_close_matches(path, KEYS, n=1, cutoff=0.8)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"not a key of the deployment strategy's values file{hint}"


def _filled(raw: object, given: Mapping[str, str]) -> object:
    if not isinstance(raw, str):
        return raw
    return PLACEHOLDER.sub(lambda found: given.get(found[1], found[0]), raw)


def _without_login(value: object, done: Translation) -> object:
    """Take user and password out of a URL before anything can repeat them."""
    found = ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return "" if isinstance(value, str) else value
    _, colon, password = (found["login"] or "").partition(":")
    if colon and not PLACEHOLDER.fullmatch(password):
        done.reminders.append(
            f"a password stands in {DATABASE_URL}: it was not copied and must become a config"
            " secret (`pulumi config set --secret engram:postgresAdminPassword`, if it is that of"
            " the existing server's administrator); take it out of the values file, and renew it"
        )
    port = f":{found['port']}" if found["port"] else ""
    return f"postgresql://{found['host']}{port}"


def _compare(read: dict[str, Any], done: Translation) -> None:
    """Refuse two keys that say the same differently; drop the second of two that agree."""
    if DATABASE_URL in read:
        host, _, port = read[DATABASE_URL].removeprefix("postgresql://").partition(":")
        for path, value in ((HOST, host), (PORT, int(port or POSTGRES_PORT))):
            if read.get(path, value) != value:
                _differ(DATABASE_URL, value, path, read[path], done)
    for path in list(read):
        other = KEYS[path].aka
        if path.startswith("zep.") and other in read:
            if read[path] != read[other]:
                _differ(path, read[path], other, read[other], done)
            done.moved.append((path, KEYS[path].to or "", read.pop(path)))


def _differ(path: str, value: object, other: str, theirs: object, done: Translation) -> None:
    found = f"{value!r} here and {theirs!r} in {other}"
    done.mistakes.append(Mistake(path, found, "the same in both", "keep one of the two"))


def _postgres(read: dict[str, Any], done: Translation) -> None:
    """A host makes the server an existing one; without, the base's server stays."""
    if HOST not in read and DATABASE_URL not in read:
        if get(done.settings, "postgres.kind") == "managed" and read.pop(PORT, None) is not None:
            done.idle(PORT, "no host is known, so the base's server stays, which listens on 5432")
        return
    if get(done.settings, "postgres.kind") != "existing":
        done.settings["postgres"] = {"kind": "existing", "port": POSTGRES_PORT}
    done.reminders.append(
        "set the password of the existing server's admin_login:"
        " `pulumi config set --secret engram:postgresAdminPassword`"
    )


def _vault(read: dict[str, Any], done: Translation) -> None:
    """A vault's URL makes vault and key existing ones; without, the base's stay."""
    existing = get(done.settings, "key_vault.kind") == "existing"
    if VAULT_URL in read and not existing:
        done.settings["key_vault"] = {"kind": "existing"}
    elif not existing and read.pop(KEY_NAME, None) is not None:
        done.idle(KEY_NAME, "no vault is known, so the base's vault and key stay")


def _compare_vaults(read: Mapping[str, Any], done: Translation) -> None:
    """The URL's vault is the one whose ARM id was given, or that of the base."""
    vault_id, name = get(done.settings, "key_vault.vault_id"), read.get(VAULT_URL)
    if isinstance(vault_id, str) and name and vault_id.rsplit("/", 1)[-1].lower() != name.lower():
        allowed = f"the vault of key_vault.vault_id, {vault_id.rsplit('/', 1)[-1]!r}"
        remedy = "give its id with `--with key_vault.vault_id=…`"
        done.mistakes.append(Mistake(VAULT_URL, repr(name), allowed, remedy))


def _index(read: Mapping[str, Any], done: Translation) -> None:
    """Another method has other parameters: those of the base's go with it."""
    method = next((value for key, value in read.items() if KEYS[key].to == INDEX_TYPE), None)
    if method is not None and method != get(done.settings, INDEX_TYPE):
        put(done.settings, "memory.index", {})


def _place(path: str, value: Any, done: Translation) -> None:
    key: Key = KEYS[path]
    if key.only is not None and value != key.only:
        allowed, remedy = str(key.only).lower(), f"set it to {str(key.only).lower()}: {key.why}"
        done.mistakes.append(Mistake(path, str(value).lower(), allowed, remedy))
    elif path == DATABASE_URL:
        host, _, port = value.removeprefix("postgresql://").partition(":")
        done.move(path, "postgres.host", host)
        done.move(path, "postgres.port", int(port or POSTGRES_PORT))
    elif path == VAULT_URL:
        done.moved.append((path, "key_vault.kind", "existing"))
    elif path == MODEL and value in PROVIDERS:
        done.idle(path, "it names who serves the model; which model it is, model.chat_model says")
    elif key.to is None:
        done.idle(path, key.why)
    else:
        whole = isinstance(value, float) and value.is_integer()
        done.move(path, key.to, int(value) if whole else value)


def _raise_bounds(done: Translation) -> None:
    for key, path, value in list(done.moved):
        bound = BOUNDS.get(path)
        if bound and isinstance(value, int) and (get(done.settings, bound) or 0) < value:
            done.move(key, bound, value)
