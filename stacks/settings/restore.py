"""A server made of another's backup: the one way to change what Azure fixes at creation."""

from datetime import UTC
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from stacks.settings.base import Settings
from stacks.settings.types import matching

ServerId = Annotated[
    str,
    AfterValidator(
        matching(
            r"/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[^/]+"
            r"/providers/Microsoft\.DBforPostgreSQL/flexibleServers/[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
            "/subscriptions/<id>/resourceGroups/<name>/providers"
            "/Microsoft.DBforPostgreSQL/flexibleServers/<name>",
            "copy the id from `pulumi stack output postgres --json`",
        )
    ),
]
Instant = Annotated[AwareDatetime, Field(strict=False)]


class RestoreSettings(Settings):
    """How the stack's server came to be: of a backup, beside the server that the backup is of.

    Azure gives it the source's SKU, disk and retention; it can be resized once it stands.  Another
    zone, and geo-redundant backup, can be chosen as it is made.

    It stays in the file as long as that server lives: without it the stack would ask for an empty
    one.  Where it came from is not asked again: another source or point is another generation.
    `python tools/resize.py` writes it.
    """

    server_id: ServerId
    """The server whose backup it is."""
    point_in_time: Instant
    """With its offset, e.g. "2026-11-23T10:00:00Z"; within the source's backup retention."""
    generation: Annotated[int, Field(ge=2, le=99)]
    """Names the server, so that it can stand beside its source, which is one generation older."""
    finished: bool = False
    """False while the server is made: Azure restores to one zone, and a standby comes later."""
    source_stays: bool = True
    """The generation before stays in the stack, untouched, until the new one has been accepted.

    False where the source was never of this stack, and once nobody wants to go back.
    """

    @property
    def utc(self) -> str:
        """The point in time in Azure's words."""
        return self.point_in_time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def generation_name(stack: str, generation: int) -> str:
    """Return the name of a generation's component; the first has no number."""
    return stack if generation == 1 else f"{stack}-g{generation}"
