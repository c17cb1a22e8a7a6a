"""Waits until an object is ready or gone, and says what is wrong when it takes too long."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from local.cloud.arm import Body
from local.cloud.kubernetes.client import Client
from local.cloud.kubernetes.errors import (
    ApiError,
    NotReadyError,
    UnknownKindError,
    UnsupportedError,
)
from local.cloud.kubernetes.objects import (
    Kind,
    annotation,
    conditions,
    metadata,
    name_of,
    namespace_of,
    pluck,
)
from local.cloud.kubernetes.readiness import AWAITERS, UNSERVED, Awaiter, Look

SKIP = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"
TIMEOUT = "pulumi.com/timeoutSeconds"
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
DELETE_SECONDS = {"Deployment": 600.0, "StatefulSet": 600.0, "DaemonSet": 600.0}
DELETE_OTHERWISE = 300.0
# Of these alone the real plugin lets a deletion go unattended.
SKIPS_DELETION = frozenset({"Namespace", "Pod", "DaemonSet", "Deployment", "StatefulSet", "Job"})
CONDITION = re.compile(r"condition=(?P<type>[\w./-]+)(?:=(?P<status>\w+))?")
JSONPATH = re.compile(r"jsonpath=\{?\.(?P<path>[\w.]+)\}?(?:=(?P<value>.*))?")
EVENT = Kind("", "v1", "Event")
EVENTS_SHOWN = 5


@dataclass(frozen=True)
class Waiter:
    """Waits on one server; a cancelled run stops waiting and keeps what stands."""

    client: Client
    cancelled: threading.Event
    progress: Callable[[str, str], None]
    """Told the resource's URN and a line on what is waited for."""

    def until_ready(self, urn: str, inputs: Body, live: Body, timeout: float) -> Body:
        """Return the object once it is ready; raises ``NotReadyError`` with what is wrong."""
        awaiter = awaiter_of(inputs)
        if awaiter is None:
            return live
        deadline = time.monotonic() + (timeout or annotated_seconds(inputs) or awaiter.seconds)
        look, pause = self._look(live), FIRST_PAUSE
        while not awaiter.ready(live, look):
            late = time.monotonic() > deadline
            if late or awaiter.failed(live) or self.cancelled.wait(pause):
                how = "timed out waiting to be Ready" if late else "was cancelled"
                raise self._not_ready(awaiter, live, "failed" if awaiter.failed(live) else how)
            pause = min(2 * pause, LONGEST_PAUSE)
            self.progress(urn, "; ".join(awaiter.problems(live, look)[:3]))
            live = self.client.get(Kind.of(live), namespace_of(live), name_of(live))
        self.progress(urn, "")
        return live

    def check_now(self, inputs: Body, live: Body) -> None:
        """Raise ``NotReadyError`` where a refresh finds an object that is not ready now."""
        awaiter = awaiter_of(inputs)
        if awaiter is None or not awaiter.on_read or awaiter.ready(live, self._look(live)):
            return
        raise self._not_ready(awaiter, live, "was created but failed to initialize")

    def until_gone(self, urn: str, inputs: Body, live: Body, timeout: float) -> None:
        """Return once the object, or its kind, does not exist; raises ``NotReadyError``."""
        kind = Kind.of(live)
        if annotation(inputs, SKIP) == "true" and kind.name in SKIPS_DELETION:
            return
        limit = DELETE_SECONDS.get(kind.name, DELETE_OTHERWISE)
        deadline = time.monotonic() + (timeout or annotated_seconds(inputs) or limit)
        pause, uid = FIRST_PAUSE, metadata(live).get("uid")
        while found := self.client.find(kind, namespace_of(live), name_of(live)):
            if uid and metadata(found).get("uid") != uid:
                return  # another one of the same name, which is not ours to wait for
            late = time.monotonic() > deadline
            if late or self.cancelled.wait(pause):
                how = "timed out waiting to be deleted" if late else "was cancelled"
                holders = metadata(found).get("finalizers") or []
                reasons = (f"finalizers: {', '.join(holders)}",) if holders else ()
                raise NotReadyError(f"{kind.name} {name_of(live)!r} {how}", found, reasons)
            pause = min(2 * pause, LONGEST_PAUSE)
            self.progress(urn, f"waiting for {kind.name} {name_of(live)} to be deleted")
        self.progress(urn, "")

    def _look(self, live: Body) -> Look:
        namespace = namespace_of(live)

        def look(kind: Kind, selector: str) -> list[Body]:
            try:
                return self.client.find_all(kind, namespace, selector)
            except (ApiError, UnknownKindError):
                return []  # who may not look there is judged by the object alone

        return look

    def _not_ready(self, awaiter: Awaiter, live: Body, how: str) -> NotReadyError:
        look = self._look(live)
        reasons = [*awaiter.problems(live, look), *_events(live, look)]
        return NotReadyError(f"'{name_of(live)}' {how}", live, tuple(dict.fromkeys(reasons)))


def awaiter_of(inputs: Body) -> Awaiter | None:
    """Return how an object is waited for, or ``None`` where it is not.

    Raises ``UnsupportedError`` for what only the real plugin knows how to wait for.
    """
    kind = Kind.of(inputs)
    if annotation(inputs, SKIP) == "true":
        return None
    if kind.built_in and kind.name in UNSERVED:
        raise UnsupportedError(
            f'readiness of {kind.name} is not judged locally; annotate it with {SKIP}: "true"'
        )
    wanted = annotation(inputs, WAIT_FOR)
    return _custom(wanted) if wanted else AWAITERS.get(kind)


def annotated_seconds(inputs: Body) -> float:
    """Return the timeout that an annotation asks for, or zero."""
    asked = annotation(inputs, TIMEOUT)
    return float(asked) if asked.isdecimal() else 0.0


def _custom(wanted: str) -> Awaiter:
    """Return an awaiter for a ``waitFor`` annotation: one expression, or a JSON list of them."""
    expressions = json.loads(wanted) if wanted.startswith("[") else [wanted]
    tests = [_expression(each) for each in expressions]
    return Awaiter(
        ready=lambda live, _look: all(test(live) for test in tests),
        problems=lambda _live, _look: [f"{WAIT_FOR}: {wanted} is not met"],
        on_read=False,
    )


def _expression(text: str) -> Callable[[Body], bool]:
    if match := CONDITION.fullmatch(text):
        type_, status = match["type"], (match["status"] or "True").lower()
        return lambda live: str((conditions(live).get(type_) or {}).get("status")).lower() == status
    if match := JSONPATH.fullmatch(text):
        keys, value = match["path"].split("."), match["value"]
        if value is None:
            return lambda live: pluck(live, *keys) is not None
        return lambda live: str(pluck(live, *keys)) == value
    raise UnsupportedError(
        f"{WAIT_FOR}: found {text!r}, allowed:"
        " condition=TYPE[=STATUS] and jsonpath={.a.b}[=VALUE]"
    )


def _events(live: Body, look: Look) -> list[str]:
    """Return the last warnings about an object and what bears its name, such as its pods."""
    told = [
        f"{pluck(each, 'involvedObject', 'name')}: [{each.get('reason')}] {each.get('message')}"
        for each in look(EVENT, "")
        if each.get("type") == "Warning"
        and str(pluck(each, "involvedObject", "name")).startswith(name_of(live))
    ]
    return told[-EVENTS_SHOWN:]
