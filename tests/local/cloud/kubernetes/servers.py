"""A server of plain objects, for what a real one does only now and then."""

import threading
from collections.abc import Callable
from typing import Any

from local.cloud.arm import Body
from local.cloud.kubernetes.client import Apply, Client
from local.cloud.kubernetes.errors import ApiError, UnknownKindError, UnreachableError
from local.cloud.kubernetes.kubeconfig import Settings
from local.cloud.kubernetes.objects import Kind, name_of, namespace_of
from local.cloud.kubernetes.provider import KubernetesProvider
from local.cloud.kubernetes.waiting import Waiter

GONE = ApiError(404, "NotFound", "not found")
STANDS = ApiError(409, "AlreadyExists", "already exists")


class Server(Client):
    """Keeps what is applied; fails as told, once for each refusal that is listed."""

    def __init__(self, *refusals: Exception, reachable: bool = True) -> None:
        super().__init__(Settings(problem="no real one"))
        self.objects: dict[str, Body] = {}
        self.refusals = list(refusals)
        self.reachable = reachable
        self.applied: list[Apply] = []
        self.silent = False
        """Whether it has stopped answering those who look."""
        self.deleted: list[str] = []
        self.unknown: set[str] = set()

    def connect(self) -> None:
        if not self.reachable:
            raise UnreachableError("nobody answers")

    def serves(self, kind: Kind) -> bool:
        return kind.name not in self.unknown

    def get(self, kind: Kind, namespace: str, name: str) -> Body:
        if kind.name in self.unknown:
            raise UnknownKindError(kind.name)
        if self.silent:
            raise UnreachableError("no answer")
        found = self.objects.get(f"{kind.name}/{namespace}/{name}")
        if found is None:
            raise GONE
        return found

    def find_all(self, kind: Kind, namespace: str, selector: str = "") -> list[Body]:
        return [o for o in self.objects.values() if o["kind"] == kind.name]

    def create(self, obj: Body, how: Apply, warn: Callable[[str], None]) -> Body:
        if f"{obj['kind']}/{namespace_of(obj)}/{name_of(obj)}" in self.objects:
            raise STANDS
        return self.apply(obj, how, warn)

    def apply(self, obj: Body, how: Apply, warn: Callable[[str], None]) -> Body:
        self.applied.append(how)
        if self.refusals:
            raise self.refusals.pop(0)
        if not how.dry_run:
            self.put(obj)
        return {**obj}

    def delete(self, kind: Kind, namespace: str, name: str, propagation: str) -> None:
        self.get(kind, namespace, name)
        self.deleted.append(propagation)
        del self.objects[f"{kind.name}/{namespace}/{name}"]

    def put(self, obj: Body) -> None:
        """Let an object be there."""
        self.objects[f"{obj['kind']}/{namespace_of(obj)}/{name_of(obj)}"] = obj


def provider(server: Server, said: list[str], **values: Any) -> KubernetesProvider:
    """Return a provider whose cluster is the server, and whose warnings are noted."""
    made = KubernetesProvider(lambda _, text: said.append(text), _silent, lambda _: server)
    made.configure(values)
    return made


def waiter(server: Server) -> Waiter:
    """Return a waiter whose run nobody cancels."""
    return Waiter(server, threading.Event(), _silent)


def _silent(*_: str) -> None:
    """Show no progress."""
