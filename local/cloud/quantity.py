"""Amounts as Kubernetes writes them: ``500m``, ``1.5Gi``, ``1e3``."""

import re
from decimal import Decimal

QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")
FACTORS = {
    **{unit: Decimal(10) ** (3 * power) for power, unit in enumerate("num", start=-3)},
    **{unit: Decimal(10) ** (3 * power) for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def amount_of(text: str) -> Decimal | None:
    """Return the amount, or ``None`` where a text is no quantity."""
    match = QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, unit = match.groups()
    if unit and unit not in FACTORS:
        return Decimal(f"{number}{unit}")
    return Decimal(number) * FACTORS.get(unit or "", Decimal(1))
