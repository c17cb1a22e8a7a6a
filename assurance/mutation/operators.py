"""What can be done to a value so that it protects less: by its kind, and blindly.

Nothing here knows what a property means.  A change that happens to make a resource stricter is
made as well; whether anyone should have noticed is decided afterwards.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

STRANGER: Final = "mutant"
"""A word that no rule allows by name."""
OPPOSITES: Final = tuple(
    frozenset(pair)
    for pair in (
        ("Enabled", "Disabled"),
        ("Allow", "Deny"),
        ("on", "off"),
        ("ON", "OFF"),
        ("true", "false"),
        ("RuntimeDefault", "Unconfined"),
        ("AzureKeyVault", "SystemManaged"),
        ("restricted", "privileged"),
        ("VirtualMachineScaleSets", "AvailabilitySet"),
    )
)
"""Words that Azure and Kubernetes understand, and that say the contrary of each other."""
AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?)([A-Za-z%]{0,2})")
"""A number in words: ``100m``, ``2Gi``, ``7``."""
MUCH: Final = 1000
"""By how many times ``more`` is more."""

SWITCH: Final = re.compile(
    r"(enable|disable|allow|share|publish|privileged|host(Network|PID|IPC)$|.*Enabled$)"
)
"""What keys begin with, or are, that Azure and Kubernetes understand as on or off."""
TEMPTATIONS: Final[Mapping[str, Any]] = {
    "add": ["SYS_ADMIN"],
    "attributes": {"exp": 1_900_000_000},
    "hostPath": {"path": "/var/run/docker.sock"},
    "hostPort": 443,
    "hostProcess": True,
    "externalIPs": ["203.0.113.7"],
    "procMount": "Unmasked",
    "sysctls": [{"name": "kernel.msgmax", "value": "1"}],
    "hostAliases": [{"ip": "203.0.113.7", "hostnames": ["vault.azure.net"]}],
    "ephemeralContainers": [{"name": STRANGER, "image": STRANGER}],
    "aggregationRule": {"clusterRoleSelectors": [{}]},
    "nonResourceURLs": ["*"],
    "kubeDashboard": {"enabled": True},
    "httpApplicationRouting": {"enabled": True},
}
"""What protects by its absence and is no switch, as somebody in a hurry would write it."""

MEANINGS: Final = {
    "leave out": "the resource is not declared",
    "remove": "the property is not there",
    "empty": "nothing in it: an empty text, list or object",
    "flip": "true for false, and the other way round",
    "opposite": "the contrary, as `Disabled` for `Enabled`",
    "stranger": f"a word that nobody knows: `{STRANGER}`",
    "swap": "what another resource of the type has there",
    "less": "nothing of a quantity: 0",
    "more": f"{MUCH:,} times as much",
    "drop": "one item of a list, or one dependency, is left out",
    "widen": "a list has one item more: `*`, or an object that limits nothing",
    "switch on": "a switch that is not mentioned is on",
    "add": "something that is better not there is there, as `hostPort`",
    "uncover": "a secret is in clear",
}
Change = tuple[str, Any]
"""Name of the change, and what then stands there."""


def changes(value: Any, elsewhere: Any = None) -> Iterator[Change]:
    """Yield what may stand instead of a value; ``elsewhere`` stands at its place in another."""
    if isinstance(value, str) and isinstance(elsewhere, str) and value != elsewhere:
        yield "swap", elsewhere
    yield from _by_kind(value)


def additions(key: str) -> Iterator[Change]:
    """Yield what may stand under a key where a rule looks, and nothing stands."""
    if SWITCH.match(key):
        yield "switch on", True
    elif key in TEMPTATIONS:
        yield "add", TEMPTATIONS[key]


def _by_kind(value: Any) -> Iterator[Change]:
    if isinstance(value, bool):
        yield "flip", not value
    elif isinstance(value, int | float):
        yield from _of_number(value)
    elif isinstance(value, str):
        yield from _of_text(value)
    elif isinstance(value, Mapping):
        if value:
            yield "empty", {}
    elif isinstance(value, list | tuple):
        yield from _of_list(list(value))


def _of_number(value: float) -> Iterator[tuple[str, float]]:
    yield "less", 0 if value > 0 else -1
    yield "more", value * MUCH if value > 0 else MUCH


def _of_text(text: str) -> Iterator[Change]:
    if text:
        yield "empty", ""
    if amount := AMOUNT.fullmatch(text):
        for change, number in _of_number(float(amount[1])):
            yield change, f"{number:.0f}{amount[2]}"
        return
    yield "stranger", STRANGER
    for pair in OPPOSITES:
        if text in pair:
            yield "opposite", next(iter(pair - {text}))


def _of_list(items: list[Any]) -> Iterator[Change]:
    if items:
        yield "empty", []
    if len(items) > 1:
        for place in range(len(items)):
            yield "drop", [*items[:place], *items[place + 1 :]]
    if all(isinstance(item, str) for item in items):
        yield "widen", [*items, "*"]
    elif all(isinstance(item, Mapping) for item in items):
        yield "widen", [*items, {}]
