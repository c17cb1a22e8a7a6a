"""The weekly hour in which Azure may restart a server.

Azure takes it from an update only: a server is always made without it (``x-ms-mutability`` of
maintenanceWindow in the REST specification; Terraform's provider sends a second request).  The
program sends one, so what was declared and what stands are compared, and a difference is told.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dbforpostgresql as pg

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
"""Azure counts the days of the week from Sunday."""


@dataclass(frozen=True, kw_only=True)
class MaintenanceWindow:
    """An hour of the week, in UTC."""

    day: str
    start_hour: int

    def args(self) -> pg.MaintenanceWindowArgs:
        """Return it in Azure's words."""
        return pg.MaintenanceWindowArgs(
            custom_window="Enabled",
            day_of_week=DAYS.index(self.day),
            start_hour=self.start_hour,
            start_minute=0,
        )

    def is_in_force(self, stands: pg.outputs.MaintenanceWindowResponse | None) -> bool:
        """Tell whether Azure answered with this window."""
        return stands is not None and (
            stands.custom_window,
            stands.day_of_week,
            stands.start_hour,
            stands.start_minute,
        ) == ("Enabled", DAYS.index(self.day), self.start_hour, 0)

    def report(self, server: pg.Server) -> None:
        """Warn when another window stands, and name the command that sets this one."""

        def compare(stands: pg.outputs.MaintenanceWindowResponse | None) -> None:
            if not self.is_in_force(stands):
                pulumi.log.warn(
                    "the maintenance window is not the declared one, as of the last refresh:"
                    " Azure sets none when it makes a server; set it with `az postgres"
                    f" flexible-server update --maintenance-window {self.day[:3]}:"
                    f"{self.start_hour:02}:00`",
                    resource=server,
                )

        server.maintenance_window.apply(compare)
