"""The azure-native provider over the local cloud: names, locations, previews, reads."""

import hashlib
import secrets as random
import uuid
from collections.abc import Mapping
from typing import Any

from local.cloud import control
from local.cloud.arm import (
    UNKNOWN,
    ArmError,
    Body,
    PartialFailure,
    Refusal,
    ResourceType,
    lookup,
    without,
)
from local.cloud.diff import apply_changes
from local.cloud.functions import call
from local.cloud.provider import Checked, Declared, Initialised, Standing
from local.cloud.store import Store
from local.cloud.validate import as_inputs, has_input, preview, validate
from local.cloud.wire import Path
from local.cloud.world import Client, World

CREATE_FIRST = "__createBeforeDelete"
"""The real provider's mark on a randomly named resource: replace it without deleting first."""
STABLE_OUTPUTS = ("name", "location")
"""What a preview of an update takes from the old outputs, as the real provider does."""


class AzureProvider:
    """Serves ``azure-native`` from a store, with the types of ``resources/``."""

    package = "azure-native"

    def __init__(self, store: Store, types: tuple[ResourceType, ...], **world: Any) -> None:
        self.world = World(store, types, **world)

    def configure(self, values: Mapping[str, Any]) -> None:
        """Take subscription, tenant and default location from the provider's configuration."""
        known = {k: v for k, v in values.items() if isinstance(v, str) and v != UNKNOWN}
        default = Client()
        self.world.client = Client(
            subscription_id=known.get("subscriptionId", default.subscription_id),
            tenant_id=known.get("tenantId", default.tenant_id),
            location=known.get("location"),
        )

    def check(self, declared: Declared, olds: Body, news: Body) -> Checked:
        """Fill in name and location, then refuse what the SDK or Azure's rules refuse."""
        type_ = self._type(declared.token)
        inputs = {k: v for k, v in news.items() if k not in {CREATE_FIRST, "azureApiVersion"}}
        named = self._name(type_, declared, olds, inputs)
        if has_input(declared.token, "location") and "location" not in inputs:
            inputs["location"] = self._location(olds, inputs)
            inputs = {k: v for k, v in inputs.items() if v is not None}
        failures = validate(declared.token, inputs)
        # A rule reads what the types promise; where they are broken it has nothing to say.
        failures += [] if failures else type_.check(inputs)
        failures += [] if failures else _unnamed(type_, inputs)
        if named:
            inputs[CREATE_FIRST] = True
        inputs["azureApiVersion"] = type_.api_version
        return Checked(inputs, failures)

    def replacing(self, token: str) -> frozenset[str]:
        """Return the paths whose change replaces the resource."""
        type_ = self._type(token)
        return frozenset((*type_.path_inputs, *type_.immutable))

    def delete_first(self, inputs: Body) -> bool:
        """Return whether a replacement deletes the old one before it creates the new one."""
        return not inputs.get(CREATE_FIRST, False)

    def preview(self, token: str, inputs: Body, olds: Body | None) -> Body:
        """Return what is known of the outputs before anything is done."""
        type_ = self._type(token)
        known = without(type_.foresee(_asked(inputs)), (*type_.path_inputs, *type_.secrets))
        if olds is not None:
            known |= {key: olds[key] for key in STABLE_OUTPUTS if key in olds}
        return preview(token, known)

    def create(self, declared: Declared, inputs: Body, marked: frozenset[Path]) -> Initialised:
        """Create, and return id and outputs."""
        type_ = self._type(declared.token)
        asked = _asked(inputs)
        arm_id = type_.arm_id(self.world.client.subscription_id, asked)
        try:
            record = control.create(self.world, type_, asked, declared.urn, marked)
        except PartialFailure as error:
            return Initialised(arm_id, error.outputs, error)
        return Initialised(record.arm_id, record.outputs)

    def read(self, token: str, id_: str, olds: Body, old_inputs: Body) -> Standing | None:
        """Return inputs and outputs of now; ``None`` when it is gone.

        Without old inputs (an import) they are what was asked for when it was made.
        """
        type_ = self._type(token)
        record = self.world.get(id_)
        if record is None:
            return None
        api = {"azureApiVersion": type_.api_version}
        outputs = {**type_.read(self.world, record), **api}
        if not old_inputs:
            asked = {**record.inputs, **(type_.parse(record.arm_id) or {}), **api}
            return Standing(asked, outputs, record.secrets)
        before, after = as_inputs(token, olds), as_inputs(token, outputs)
        return Standing(apply_changes(old_inputs, before, after), outputs)

    def update(self, token: str, id_: str, inputs: Body, marked: frozenset[Path]) -> Initialised:
        """Change in place, and return the new outputs."""
        self._type(token)
        record = self.world.require(id_)
        try:
            record = control.update(self.world, record, _asked(inputs), marked)
        except PartialFailure as error:
            return Initialised(id_, error.outputs, error)
        return Initialised(record.arm_id, record.outputs)

    def delete(self, token: str, id_: str) -> None:
        """Delete; gone already is fine."""
        self._type(token)
        control.delete(self.world, id_)

    def invoke(self, token: str, inputs: Body) -> Body:
        """Answer one of Azure's functions."""
        return call(self.world, token, inputs)

    def secret_outputs(self, token: str) -> frozenset[Path]:
        """Return outputs that are secret whatever the inputs were; azure-native marks none."""
        del token
        return frozenset()

    def _type(self, token: str) -> ResourceType:
        found = self.world.types.get(token)
        if found is None:
            raise ArmError(
                501,
                "NotImplemented",
                f"The local cloud has no '{token}'. It knows {', '.join(sorted(self.world.types))}."
                " Deploy this stack to Azure, or add the type to local/cloud/resources.",
            )
        return found

    def _name(self, type_: ResourceType, declared: Declared, olds: Body, inputs: Body) -> bool:
        """Fill in a missing name; return whether it is random, hence unique."""
        key = type_.name_input
        if key in inputs:
            return False
        if key in olds:
            inputs[key] = olds[key]
            return bool(olds.get(CREATE_FIRST))
        proposed = declared.proposed_name
        if declared.autonaming == "DISABLE":
            return False
        if declared.autonaming == "ENFORCE" or (proposed and type_.autoname != "uuid"):
            inputs[key] = proposed
            return True
        seed = hashlib.sha512(declared.seed or random.token_bytes(32)).hexdigest()
        inputs[key] = {
            "random": declared.name + seed[:8],
            "uuid": str(uuid.UUID(seed[:32])),
            "copy": declared.name,
        }[type_.autoname]
        return type_.autoname != "copy"

    def _location(self, olds: Body, inputs: Body) -> str | None:
        if "location" in olds:
            return str(olds["location"])
        if self.world.client.location is not None:
            return self.world.client.location
        group = inputs.get("resourceGroupName")
        if group is None or group == UNKNOWN:
            return group
        subscription = self.world.client.subscription_id
        record = self.world.get(f"/subscriptions/{subscription}/resourceGroups/{group}")
        return lookup(record.outputs, "location") if record is not None else None


def _asked(inputs: Body) -> Body:
    return {k: v for k, v in inputs.items() if k not in {CREATE_FIRST, "azureApiVersion"}}


def _unnamed(type_: ResourceType, inputs: Body) -> list[Refusal]:
    return [
        Refusal(key, "MissingProperty", f"missing required property '{key}'")
        for key in type_.path_inputs
        if key not in inputs
    ]
