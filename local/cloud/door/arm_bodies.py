"""The resource manager's bodies: what the cloud keeps flat has ``properties`` on the wire."""

from local.cloud.arm import Body, Record, ResourceType, lookup
from local.cloud.resources.server_admission import is_copy
from local.cloud.resources.server_child import SERVER
from local.cloud.resources.server_origin import earliest_restore, source_id
from local.cloud.resources.subnet import PRIVATE_ENDPOINT
from local.cloud.world import World

OUTSIDE = frozenset(
    {"id", "name", "type", "location", "tags", "sku", "identity", "systemData", "extendedLocation"}
)
"""What lies beside ``properties``."""
LISTS = ("privateLinkServiceConnections", "privateDnsZoneConfigs")
"""Lists whose items have ``properties`` of their own."""
BROUGHT_ALONG = ("sku", "storage", "version", "authConfig", "backup")
"""What a restored server has of its source where nothing else is asked for."""


def as_asked(world: World, type_: ResourceType, body: Body) -> Body:
    """Return the flat inputs of a request's body."""
    flat = {**{k: v for k, v in body.items() if k != "properties"}, **body.get("properties", {})}
    for name in LISTS:
        if name in flat:
            flat[name] = [_flat(item) for item in flat[name]]
    source = world.get(source_id(flat)) if type_.type == SERVER and is_copy(flat) else None
    if source is not None:
        had = {key: source.inputs[key] for key in BROUGHT_ALONG if key in source.inputs}
        flat = {**had, **flat}
    return {key: value for key, value in flat.items() if key not in {"id", "name", "type"}}


def as_answered(world: World, record: Record, outputs: Body) -> Body:
    """Return what a GET answers."""
    flat = {key: value for key, value in outputs.items() if key != "azureApiVersion"}
    for name in LISTS:
        if name in flat:
            flat[name] = [_nested(item) for item in flat[name]]
    if record.type == SERVER:
        flat = {**flat, **_of_a_server(world, record)}
    beside = {key: value for key, value in flat.items() if key in OUTSIDE}
    inside = {key: value for key, value in flat.items() if key not in OUTSIDE}
    return {**beside, "id": record.arm_id, "properties": inside}


def _of_a_server(world: World, record: Record) -> Body:
    """Return what is not kept, as it is of this moment."""
    connections = [
        {"id": f"{record.arm_id}/privateEndpointConnections/{endpoint.name}",
         "properties": {"privateEndpoint": {"id": endpoint.arm_id}}}
        for endpoint in world.of_type(PRIVATE_ENDPOINT)
        for connection in endpoint.outputs["privateLinkServiceConnections"]
        if str(connection["privateLinkServiceId"]).lower() == record.arm_id.lower()
    ]  # fmt: skip
    backup = dict(lookup(record.outputs, "backup") or {})
    earliest = earliest_restore(world, record)
    if earliest is not None:
        backup["earliestRestoreDate"] = earliest.isoformat()
    return {"privateEndpointConnections": connections, "backup": backup}


def _flat(item: Body) -> Body:
    rest = {key: value for key, value in item.items() if key not in {"properties", "id"}}
    return {**rest, **item.get("properties", {})}


def _nested(item: Body) -> Body:
    return {
        "name": item.get("name"),
        "properties": {key: value for key, value in item.items() if key != "name"},
    }
