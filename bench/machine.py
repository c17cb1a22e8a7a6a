"""Where figures come from: without it, seconds say nothing."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Machine:
    """This machine, and how busy it was before anything was measured."""

    processor: str
    cores: int
    """Those that this process may use."""
    memory_gib: float
    system: str
    python: str
    load_average: float
    """Of the last minute; much more than zero means that others were at work."""

    @classmethod
    def current(cls) -> Self:
        """Look at the machine."""
        pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=round(pages * page_bytes / GIB, 1),
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            python=platform.python_version(),
            load_average=round(os.getloadavg()[0], 2),
        )

    def __str__(self) -> str:
        """One line for the head of a report."""
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gib} GiB, {self.system},"
            f" Python {self.python}; load before the start {self.load_average}"
        )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()  # arm64 names no model
