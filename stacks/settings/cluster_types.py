"""The vocabulary of clusters and workloads: one alias a quantity, as in ``types``."""

import difflib
import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.settings.types import Cidr, Guid, HostName, matching, refusal
from stacks.settings.vm_sizes import VM_SIZES

OLDEST_MINOR = 33
"""Native sidecars, which Zep's pods need, are stable since Kubernetes 1.33."""

WIDEST_EGRESS = 8
"""Prefix length: a wider range is no list of addresses any more."""

Permission = Literal["read", "write", "admin"]


def cpu_quantity(cores: float) -> str:
    """Return cores as Kubernetes spells them: ``1`` or ``250m``."""
    millicores = round(cores * 1000)
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def memory_quantity(gibibytes: float) -> str:
    """Return memory as Kubernetes spells it: ``2Gi`` or ``512Mi``."""
    mebibytes = round(gibibytes * 1024)
    return f"{mebibytes // 1024}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"


def _vm_size(value: str) -> str:
    if value not in VM_SIZES:
        close = difflib.get_close_matches(value, VM_SIZES, n=1) or ["Standard_D4ds_v5"]
        raise refusal(
            "Standard_D4s_v3; Standard_D2 to D32 as s_v5, as_v5, ds_v5, ads_v5;"
            " Standard_E2 to E32 as s_v5, ds_v5",
            f"choose a size whose figures are known, e.g. {close[0]}",
        )
    return value


def _kubernetes_version(value: str) -> str:
    found = re.fullmatch(r"1\.(\d+)", value)
    if found is None or int(found[1]) < OLDEST_MINOR:
        raise refusal(
            f"1.{OLDEST_MINOR} or newer, without the patch, which AKS chooses",
            "choose one of `az aks get-versions`",
        )
    return value


def _distinct_zones(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise refusal("each zone once", "name each zone once")
    return values


def _whole_millicores(value: float) -> float:
    if abs(value * 1000 - round(value * 1000)) > 1e-9:  # noqa: PLR2004 - rounding of binary floats
        raise refusal("cores in steps of 0.001", "round it to thousandths")
    return value


def _whole_mebibytes(value: float) -> float:
    if not (value * 1024).is_integer():
        raise refusal("GiB in steps of 1/1024", "round it to whole MiB, e.g. 0.5 or 0.125")
    return value


def _egress(value: IPv4Network) -> IPv4Network:
    if value.prefixlen < WIDEST_EGRESS:
        raise refusal(
            f"a range of prefix /{WIDEST_EGRESS} or longer",
            "name the addresses that are called, not the whole internet",
        )
    return value


def _some_egress(values: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
    if not values:
        raise refusal("one range or more", "name the addresses that are called")
    return values


ImageName = Annotated[
    str,
    AfterValidator(
        matching(
            r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+:[\w][\w.-]{0,127}",
            "<registry>/<repository>:<tag>",
            "name registry, repository and tag; the digest goes to images.digests",
        )
    ),
]
RegistryName = Annotated[
    str,
    AfterValidator(
        matching(
            r"[a-z0-9][a-z0-9.-]*\.[a-z]{2,}(:\d+)?(/[a-z0-9][a-z0-9._/-]*[a-z0-9])?",
            "a registry, with a folder in it or without, e.g. contoso.azurecr.io/mirror",
            "leave out https:// and a slash at the end",
        )
    ),
]
Digest = Annotated[
    str,
    AfterValidator(
        matching(
            r"sha256:[0-9a-f]{64}",
            "sha256: and 64 lower-case hexadecimal digits",
            "copy it from `docker buildx imagetools inspect <image>`",
        )
    ),
]
KubernetesName = Annotated[
    str,
    AfterValidator(
        matching(
            r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?",
            "1 to 253 lower-case letters, digits, dots and hyphens",
            "copy the name from `kubectl get storageclass`",
        )
    ),
]
HttpsUrl = Annotated[
    str,
    AfterValidator(
        matching(
            r"https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(/[^\s?#]*)?",
            "an https URL without query, e.g. https://login.example.com/v2.0",
            "begin with https://; nothing travels in clear",
        )
    ),
]
BoltUri = Annotated[
    str,
    AfterValidator(
        matching(
            r"(neo4j|bolt)\+s://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?",
            "neo4j+s://<host>:<port> or bolt+s://<host>:<port>",
            "use a scheme with +s: TLS is verified in full, or not used at all",
        )
    ),
]
SecretName = Annotated[
    str,
    AfterValidator(
        matching(
            r"[A-Za-z0-9-]{1,127}",
            "the name of a secret: 1 to 127 letters, digits and hyphens",
            "give the secret's name in the vault, never the secret itself",
        )
    ),
]
ModelName = Annotated[
    str,
    AfterValidator(
        matching(
            r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}",
            "the name of a model, e.g. gpt-4o-mini",
            "give the name that the endpoint knows; of Azure the deployment's name",
        )
    ),
]
VmSizeName = Annotated[str, AfterValidator(_vm_size)]
KubernetesVersion = Annotated[str, AfterValidator(_kubernetes_version)]
Address = Annotated[IPv4Address, Field(strict=False)]
Cores = Annotated[float, Field(ge=0.01, le=64), AfterValidator(_whole_millicores)]
Gibibytes = Annotated[float, Field(ge=0.03125, le=512), AfterValidator(_whole_mebibytes)]
Zones = Annotated[
    tuple[Literal["1", "2", "3"], ...], Field(strict=False), AfterValidator(_distinct_zones)
]
"""Availability zones; none where the region has none."""
Groups = Annotated[tuple[Guid, ...], Field(strict=False)]
Cidrs = Annotated[tuple[Cidr, ...], Field(strict=False)]
EgressCidr = Annotated[IPv4Network, Field(strict=False), AfterValidator(_egress)]
EgressCidrs = Annotated[tuple[EgressCidr, ...], Field(strict=False), AfterValidator(_some_egress)]
HostNames = Annotated[tuple[HostName, ...], Field(strict=False)]
NodeLabels = Annotated[dict[str, str], Field(max_length=16)]
Roles = Annotated[dict[str, Permission], Field(min_length=1)]
