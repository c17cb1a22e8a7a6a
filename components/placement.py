"""Where a component's resources go, and how they are labelled."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What every resource of a component shares."""

    resource_group_name: pulumi.Input[str]
    location: str
    tags: dict[str, str]
