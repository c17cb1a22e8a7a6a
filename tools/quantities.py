"""Kubernetes quantities as plain numbers: ``500m`` is 0.5 cores, ``2Gi`` is 2 GiB."""

import math
import re

SUFFIXES = {
    "m": 1e-3,
    "": 1,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
"""https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""

MEBIBYTE = 2**20


def cores(value: object) -> float | None:
    """Return CPU cores, or nothing if it is no quantity of them."""
    amount = _amount(value)
    return None if amount is None else round(amount, 3)


def gibibytes(value: object) -> float | None:
    """Return memory in GiB, rounded up to whole MiB, or nothing if it is no quantity of it."""
    amount = _amount(value)
    return None if amount is None else math.ceil(amount / MEBIBYTE) / 1024


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?(?:[eE]\d+)?)(m|k|[MGT]|[KMGT]i)?", str(value).strip())
    return float(found[1]) * SUFFIXES[found[2] or ""] if found else None
