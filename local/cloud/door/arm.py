"""``management.azure.com``: the few calls that day-2 operations make, for whoever holds a role.

Servers and what leads to them privately; whatever else is asked for is refused by name. What
takes long goes on in a thread, and its operation is asked for, as on Azure. A door that ends
forgets its operations; a client then sees what stands by asking for the server itself.
"""

import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from local.cloud import control
from local.cloud.arm import ArmError, Body, ResourceType, scope_contains
from local.cloud.door.arm_bodies import OUTSIDE, as_answered, as_asked
from local.cloud.door.messages import Answer, Refused, Request
from local.cloud.door.tokens import MANAGEMENT, caller
from local.cloud.resources.flexible_server import restart
from local.cloud.resources.private_dns_zone_group import PrivateDnsZoneGroup
from local.cloud.resources.private_endpoint import PrivateEndpoint
from local.cloud.resources.server_child import SERVER, server_is_busy
from local.cloud.validate import validate
from local.cloud.world import Client, World

TYPES = (SERVER, PrivateEndpoint.type, PrivateDnsZoneGroup.type)
GROUP_LISTING = re.compile(
    rf"(?P<group>/subscriptions/[^/]+/resourceGroups/[^/]+)/providers/{SERVER}", re.IGNORECASE
)
OPERATION = re.compile(
    r"/subscriptions/[^/]+/providers/Microsoft\.DBforPostgreSQL/locations/[^/]+"
    r"/azureAsyncOperation/(?P<name>[0-9a-f-]{36})",
    re.IGNORECASE,
)
READERS = frozenset({"acdd72a7-3385-48ef-bd42-f606fba81ae7"})
WRITERS = frozenset(
    {
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",  # Owner
        "b24988ac-6180-42a0-ab88-20f7382dd24c",  # Contributor
    }
)
RETRY_AFTER = "1"


@dataclass
class Operation:
    """What goes on, or has ended."""

    server_id: str
    inputs: Body = field(default_factory=dict)
    """Of a server that is being made."""
    status: str = "InProgress"
    error: Body | None = None


_operations: dict[str, Operation] = {}


def handle(world: World, request: Request) -> Answer:
    """Answer for the resource manager: who asks, whether they may, and then what."""
    asking = caller(world, request, MANAGEMENT)
    path = request.path.rstrip("/")
    held = world.grants(asking.principal_id, path)
    if not asking.is_owner and not held & (WRITERS | (READERS if request.method == "GET" else {0})):
        raise Refused(
            403,
            "AuthorizationFailed",
            f"The client '{asking.client_id}' with object id '{asking.principal_id}' does not have"
            f" authorization to perform action {request.method} over scope '{path}' or the scope is"
            " invalid. If access was recently granted, please refresh your credentials.",
        )
    if match := OPERATION.fullmatch(path):
        return _operation(match["name"])
    if (match := GROUP_LISTING.fullmatch(path)) and request.method == "GET":
        return Answer(body={"value": _listed(world, match["group"])})
    if path.lower().endswith("/privatednszonegroups") and request.method == "GET":
        groups = world.children(path.rsplit("/", 1)[0], PrivateDnsZoneGroup.type)
        return Answer(body={"value": [as_answered(world, g, g.outputs) for g in groups]})
    if path.lower().endswith("/restart") and request.method == "POST":
        return _restart(world, path.rsplit("/", 1)[0])
    return _resource(world, request, path)


def _resource(world: World, request: Request, path: str) -> Answer:
    type_ = next((t for t in _types(world) if t.parse(path) is not None), None)
    work = {"GET": _get, "PUT": _put, "DELETE": _delete}.get(request.method)
    if type_ is None or work is None:
        raise Refused(
            501,
            "NotImplemented",
            f"The local cloud's door does not serve {request.method} {path}; it has"
            f" {', '.join(TYPES)}.",
        )
    return work(world, type_, path, request)


def _types(world: World) -> list[ResourceType]:
    return [type_ for type_ in world.types.values() if type_.type in TYPES]


def _get(world: World, type_: ResourceType, path: str, request: Request) -> Answer:
    del request
    record, going = world.get(path), _being_made(path)
    if record is None and going is not None:
        return Answer(body=_provisioning(path, going))
    if record is None:
        raise _missing(path)
    return Answer(body=as_answered(world, record, type_.read(world, record)))


def _put(world: World, type_: ResourceType, path: str, request: Request) -> Answer:
    before = world.get(path)
    if before is not None and type_.type == SERVER:
        raise Refused(501, "NotImplemented", "The local cloud's door changes no server; `up` does.")
    inputs = {**as_asked(world, type_, request.json()), **(type_.parse(path) or {})}
    refused = [*validate(type_.token, inputs)] or [*type_.check(inputs)]
    if refused:
        raise Refused(400, refused[0].code, f"{refused[0].path}: {refused[0].message}")
    own = World(world.store, world.types.values(), _client(world, path), world.now)
    if type_.type == SERVER:
        return _begin(own, Operation(path, inputs), lambda: control.create(own, type_, inputs))
    made = control.update(own, before, inputs) if before else control.create(own, type_, inputs)
    status = 200 if before else 201
    return Answer(status=status, body=as_answered(own, made, made.outputs))


def _delete(world: World, type_: ResourceType, path: str, request: Request) -> Answer:
    del request
    if _being_made(path) is not None:
        raise Refused.of(server_is_busy(path))
    if world.get(path) is None:
        return Answer(status=204)
    if type_.type != SERVER:
        control.delete(world, path)
        return Answer(status=204)
    return _begin(world, Operation(path), lambda: control.delete(world, path))


def _restart(world: World, server_id: str) -> Answer:
    record = world.get(server_id)
    if record is None:
        raise _missing(server_id)
    return _begin(world, Operation(server_id), lambda: restart(world, record))


# -- what takes long -----------------------------------------------------------------------


def _begin(world: World, operation: Operation, work: Callable[[], object]) -> Answer:
    name = str(uuid.uuid4())
    _operations[name] = operation

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever asks has to hear of it
            told = error if isinstance(error, ArmError) else _internal(error)
            operation.error = {"code": told.code, "message": told.message}
            operation.status = "Failed"
        else:
            operation.status = "Succeeded"
        finally:
            world.store.close()

    threading.Thread(target=run, name=f"arm {operation.server_id}", daemon=True).start()
    subscription = operation.server_id.split("/")[2]
    where = f"{MANAGEMENT}/subscriptions/{subscription}/providers/Microsoft.DBforPostgreSQL"
    link = f"{where}/locations/local/azureAsyncOperation/{name}?api-version=2025-08-01"
    return Answer(status=202, headers={"Azure-AsyncOperation": link, "Retry-After": RETRY_AFTER})


def _operation(name: str) -> Answer:
    operation = _operations.get(name)
    if operation is None:
        raise Refused(404, "OperationNotFound", f"The operation '{name}' was not found.")
    told: Body = {"name": name, "status": operation.status}
    if operation.error is not None:
        told["error"] = operation.error
    return Answer(body=told, headers={"Retry-After": RETRY_AFTER})


def _being_made(path: str) -> Operation | None:
    """Return what makes a server at this moment."""
    for operation in [*_operations.values()]:
        same = operation.server_id.lower() == path.lower()
        if same and operation.inputs and operation.status == "InProgress":
            return operation
    return None


def _provisioning(path: str, going: Operation) -> Body:
    known: Body = {key: going.inputs[key] for key in OUTSIDE if key in going.inputs}
    name = path.rsplit("/", 1)[-1]
    body: Body = {"id": path, "name": name, "type": SERVER, **known}
    return {**body, "properties": {"state": "Provisioning"}}


def _internal(error: Exception) -> ArmError:
    return ArmError(500, "InternalServerError", str(error))


def _listed(world: World, group: str) -> list[Body]:
    there = [r for r in world.of_type(SERVER) if scope_contains(group, r.arm_id)]
    shown = {r.arm_id.lower() for r in there}
    made = {
        op.server_id: op
        for op in [*_operations.values()]
        if op.inputs and op.status == "InProgress" and scope_contains(group, op.server_id)
    }
    answers = [as_answered(world, r, world.type_of(r).read(world, r)) for r in there]
    return answers + [_provisioning(i, op) for i, op in made.items() if i.lower() not in shown]


def _client(world: World, path: str) -> Client:
    return Client(path.split("/")[2], world.client.tenant_id, world.client.location)


def _missing(path: str) -> Refused:
    return Refused(404, "ResourceNotFound", f"The Resource '{path}' was not found.")
