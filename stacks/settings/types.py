"""The vocabulary of a stack file: one alias a quantity, each with bounds and a remedy.

pydantic says that a value is wrong; these say also what Azure allows and what to do.
"""

import difflib
import re
from collections.abc import Callable
from datetime import date
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from stacks.settings.catalogue import PARAMETERS, REGIONS, SKUS, STORAGE_TIERS

RESERVED_LOGINS = frozenset(
    {"azure_superuser", "azure_pg_admin", "admin", "administrator", "root", "guest", "public"}
)
"""Names that Azure keeps (BlockedUserName)."""


def refusal(allowed: str, remedy: str) -> PydanticCustomError:
    """Return the error of a value whose allowed form and remedy are known."""
    return PydanticCustomError("setting", "{allowed}", {"allowed": allowed, "remedy": remedy})


def matching(pattern: str, allowed: str, remedy: str) -> Callable[[str], str]:
    """Return the check that a text has a form."""

    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise refusal(allowed, remedy)
        return value

    return check


def _sold() -> str:
    series = ", ".join(dict.fromkeys(sku.series for sku in SKUS.values() if sku.series))
    sizes = (
        f"Standard_{family}2 to {family}"
        + str(max(s.vcores for name, s in SKUS.items() if name.startswith(f"Standard_{family}")))
        for family in "DE"
    )
    return f"Standard_B1ms to B20ms; {' and '.join(sizes)} as {series}"


def _sku(value: str) -> str:
    if value not in SKUS:
        close = difflib.get_close_matches(value, SKUS, n=1) or ["Standard_D4s_v3"]
        raise refusal(
            _sold(),
            f"choose a size that Flexible Server sells, e.g. {close[0]}",
        )
    return value


def _region(value: str) -> str:
    if value not in REGIONS:
        plain = re.sub(r"[^a-z0-9]", "", value.lower())
        close = difflib.get_close_matches(plain, REGIONS, n=1) or ["westeurope"]
        raise refusal(
            f"the programmatic name of one of {len(REGIONS)} regions of the public cloud",
            f"did you mean {close[0]}?",
        )
    return value


def _recipients(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values or len({value.lower() for value in values}) < len(values):
        raise refusal(
            "at least one address, each once",
            "name who is told, e.g. [on-call@example.com]",
        )
    return values


def _login(value: str) -> str:
    if re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", value) is None:
        raise refusal(
            "1 to 63 lower-case letters, digits and underscores, not starting with a digit",
            "choose a name that SQL need not quote, e.g. engram_admin",
        )
    if value in RESERVED_LOGINS or value.startswith("pg_"):
        raise refusal(
            f"any name but {', '.join(sorted(RESERVED_LOGINS))} and those starting with pg_",
            "choose a name that Azure does not keep for itself, e.g. engram_admin",
        )
    return value


def _storage(value: int) -> int:
    if value not in STORAGE_TIERS:
        step = next((size for size in STORAGE_TIERS if size > value), max(STORAGE_TIERS))
        raise refusal(
            f"{', '.join(map(str, STORAGE_TIERS))} (sizes of Premium SSD)", f"choose {step}"
        )
    return value


def _parameters(values: dict[str, int]) -> dict[str, int]:
    for name, value in values.items():
        if name not in PARAMETERS:
            raise refusal(
                f"{', '.join(PARAMETERS)}",
                f"remove {name}: the component sets it, or Azure does not offer it for tuning",
            )
        low, high = PARAMETERS[name]
        if not low <= value <= high:
            raise refusal(f"{name} from {low} to {high}", f"bring {name} within the bounds")
    return values


Guid = Annotated[
    str,
    AfterValidator(
        matching(
            r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
            "a GUID, e.g. 8d2b8a6e-7c1f-4f0e-9a55-0c3f1c8e7b21",
            "copy the id from the portal or `az account show`",
        )
    ),
]
RegionName = Annotated[str, AfterValidator(_region)]
SkuName = Annotated[str, AfterValidator(_sku)]
TagText = Annotated[
    str,
    AfterValidator(
        matching(r"\S(.{0,254}\S)?", "1 to 256 characters", "say it in at most 256 characters")
    ),
]
Email = Annotated[
    str,
    AfterValidator(
        matching(
            r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+",
            "an e-mail address",
            "name who is told, e.g. on-call@example.com",
        )
    ),
]
Emails = Annotated[tuple[Email, ...], Field(strict=False), AfterValidator(_recipients)]
DatabaseName = Annotated[
    str,
    AfterValidator(
        matching(
            r"[a-z_][a-z0-9_]{0,62}",
            "1 to 63 lower-case letters, digits and underscores, not starting with a digit",
            "choose a name that SQL need not quote, e.g. memory",
        )
    ),
]
HostName = Annotated[
    str,
    AfterValidator(
        matching(
            r"(?=.{1,253}$)(?!.*\.[0-9]+$)"
            r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+",
            "a lower-case DNS name with a domain",
            "give the name in the server's certificate; an address cannot be verified",
        )
    ),
]
RegistryId = Annotated[
    str,
    AfterValidator(
        matching(
            r"/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[^/]+"
            r"/providers/Microsoft\.ContainerRegistry/registries/[A-Za-z0-9]{5,50}",
            "/subscriptions/<id>/resourceGroups/<name>/providers"
            "/Microsoft.ContainerRegistry/registries/<name>",
            "copy the id from `az acr show --query id`",
        )
    ),
]
VaultId = Annotated[
    str,
    AfterValidator(
        matching(
            r"/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[^/]+"
            r"/providers/Microsoft\.KeyVault/vaults/[A-Za-z][A-Za-z0-9-]{2,23}",
            "/subscriptions/<id>/resourceGroups/<name>/providers/Microsoft.KeyVault/vaults/<name>",
            "copy the id from `az keyvault show --query id`",
        )
    ),
]
SubnetId = Annotated[
    str,
    AfterValidator(
        matching(
            r"/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[^/]+"
            r"/providers/Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+",
            "/subscriptions/<id>/resourceGroups/<name>/providers/Microsoft.Network"
            "/virtualNetworks/<name>/subnets/<name>",
            "copy the id from `az network vnet subnet show --query id`",
        )
    ),
]


def _zone_id(zone: str) -> AfterValidator:
    form = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft{}Network/privateDnsZones/{}"
    return AfterValidator(
        matching(
            form.format("[0-9a-fA-F-]{36}", "[^/]+", r"\.", re.escape(zone)),
            form.format("<id>", "<name>", ".", zone),
            "copy the id from `az network private-dns zone show --query id`",
        )
    )


PostgresZoneId = Annotated[str, _zone_id("privatelink.postgres.database.azure.com")]
VaultZoneId = Annotated[str, _zone_id("privatelink.vaultcore.azure.net")]
KeyName = Annotated[
    str,
    AfterValidator(
        matching(
            r"[A-Za-z0-9-]{1,127}",
            "1 to 127 letters, digits and hyphens",
            "give the key's name, not its URI",
        )
    ),
]
FilePath = Annotated[
    str,
    AfterValidator(
        matching(
            r"\S.*\.(pem|crt|cer)",
            "the path of a .pem, .crt or .cer file",
            "point to the CA's certificate in PEM",
        )
    ),
]
Login = Annotated[str, AfterValidator(_login)]
StorageGib = Annotated[int, AfterValidator(_storage)]
Parameters = Annotated[dict[str, int], AfterValidator(_parameters)]
Cidr = Annotated[IPv4Network, Field(strict=False)]
Day = Annotated[date, Field(strict=False)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
"""A scale factor of PostgreSQL: the share of a table that must change."""
