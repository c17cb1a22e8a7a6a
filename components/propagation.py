"""Waits until a role assignment is known everywhere in Azure.

An assignment exists at once and works minutes later: Key Vault caches who may do what.  A
server that is made in between fails with a key that it «cannot reach», so that
``depends_on`` alone is not enough.

Pulumi keeps the provider in the state as a pickle: a class of an importable module is kept
as its name, so an edit here makes no diff.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
from pulumi import dynamic
from typing_extensions import override

Props = dict[str, Any]


def seconds_left(granted_at: str, wait_seconds: int, now: datetime) -> float:
    """Return how long is still to wait; a grant of last week is waited for no more."""
    granted = datetime.fromisoformat(granted_at)
    due = granted.replace(tzinfo=granted.tzinfo or UTC) + timedelta(seconds=wait_seconds)
    return max(0.0, (due - now).total_seconds())


class PropagationProvider(dynamic.ResourceProvider):
    """Sleeps until a grant is old enough; another grant is waited for again."""

    serialize_as_secret_always = False  # no secret goes in

    @override
    def create(self, props: Props) -> dynamic.CreateResult:
        """Wait, then remember for which grant."""
        self._wait(props)
        return dynamic.CreateResult(f"propagation/{props['grant_id']}", props)

    @override
    def diff(self, _id: str, olds: Props, news: Props) -> dynamic.DiffResult:
        """Only another grant is a change; a shorter or longer wait is not."""
        return dynamic.DiffResult(changes=olds["grant_id"] != news["grant_id"])

    @override
    def update(self, _id: str, _olds: Props, news: Props) -> dynamic.UpdateResult:
        """Wait for the other grant."""
        self._wait(news)
        return dynamic.UpdateResult(news)

    @staticmethod
    def _wait(props: Props) -> None:
        now = datetime.now(UTC)
        time.sleep(seconds_left(props["granted_at"], int(props["wait_seconds"]), now))


class Propagation(dynamic.Resource, module="azure", name="Propagation"):
    """A grant that has had time to arrive."""

    def __init__(
        self,
        name: str,
        *,
        grant_id: pulumi.Input[str],
        granted_at: pulumi.Input[str],
        wait_seconds: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"grant_id": grant_id, "granted_at": granted_at, "wait_seconds": wait_seconds}
        super().__init__(PropagationProvider(), name, props, opts)
