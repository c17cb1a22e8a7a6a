"""One call of a vault's data plane, and the words that its keys and secrets share."""

from dataclasses import dataclass

from local.cloud.arm import Body, Record
from local.cloud.door.messages import Request
from local.cloud.world import World


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is asked of which vault; whoever asks may."""

    world: World
    request: Request
    vault: Record
    kind: str
    """``keys`` or ``secrets``."""
    name: str
    """Empty where all of a kind are meant."""
    version: str | None
    """None is the newest."""

    @property
    def object_id(self) -> str:
        """Return the ARM id that a role must hold at."""
        return f"{self.vault.arm_id}/{self.kind}/{self.name}" if self.name else self.vault.arm_id

    def uri(self, name: str, version: str | None = None) -> str:
        """Return the address of an object, or of one of its versions."""
        base = f"{self.vault.outputs['properties']['vaultUri']}{self.kind}/{name}"
        return base if version is None else f"{base}/{version}"

    def recovery(self) -> Body:
        """Return what becomes of a deleted object, as its attributes say it."""
        properties = self.vault.outputs["properties"]
        guarded = properties.get("enablePurgeProtection")
        return {
            "recoveryLevel": "Recoverable" if guarded else "Recoverable+Purgeable",
            "recoverableDays": properties["softDeleteRetentionInDays"],
        }


SHORT = {"expires": "exp", "notBefore": "nbf", "enabled": "enabled", "created": "created"}
"""By ARM's name of an attribute, the data plane's."""


def attributes(version: Body) -> Body:
    """Return a version's times and switch, as the data plane writes them."""
    known = {short: version[name] for name, short in SHORT.items() if version.get(name) is not None}
    return {"enabled": True, **known, "updated": version.get("updated", version["created"])}


def changes(given: Body) -> Body:
    """Return the attributes that a request sets, under ARM's names."""
    return {
        name: given[short]
        for name, short in SHORT.items()
        if name != "created" and given.get(short) is not None
    }
