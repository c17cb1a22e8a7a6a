"""What becomes of one resource: applied, awaited, read, deleted; in plain bodies."""

import secrets as random
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from local.cloud.arm import Body
from local.cloud.kubernetes import inputs as program
from local.cloud.kubernetes.checkpoint import Checkpoint, dashed
from local.cloud.kubernetes.client import Apply, Client
from local.cloud.kubernetes.comparison import (
    DEFINITION,
    READ_ONLY,
    Comparison,
    as_declared,
    compare,
    normal,
    pruned,
)
from local.cloud.kubernetes.errors import (
    ApiError,
    KubernetesError,
    NotReadyError,
    UnknownKindError,
    UnreachableError,
)
from local.cloud.kubernetes.kubeconfig import Settings
from local.cloud.kubernetes.objects import (
    Kind,
    annotation,
    has_unknown,
    metadata,
    name_of,
    namespace_of,
)
from local.cloud.kubernetes.ownership import takeover, without_ignored
from local.cloud.kubernetes.waiting import Waiter, awaiter_of
from local.cloud.provider import Checked, Declared

FORCE = "pulumi.com/patchForce"
MANAGER = "pulumi.com/patchFieldManager"
PROPAGATION = "pulumi.com/deletionPropagationPolicy"
POLICIES = {"orphan": "Orphan", "background": "Background"}
RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""How long a namespace or a definition that is made in the same run is waited for."""
IMMUTABLE = "field is immutable"
CONFLICT = (
    'Server-Side Apply field conflict detected. Set the annotation {force}: "true" to take the'
    " fields over, or leave them out.\nThe resource managed by field manager {manager!r} had an"
    " apply conflict: {error}"
)
UNREACHABLE = "configured Kubernetes cluster is unreachable: {error}"
DELETE_UNREACHABLE = (
    "configured Kubernetes cluster is unreachable: {error}\nIf the cluster was deleted, remove this"
    ' resource from the state: set PULUMI_K8S_DELETE_UNREACHABLE to "true" and run again.'
)


class Task(NamedTuple):
    """The engine's words on one call."""

    urn: str
    timeout: float = 0.0
    """Seconds, from the resource's ``customTimeouts``; zero if it has none."""
    preview: bool = False
    ignored: tuple[str, ...] = ()
    """Paths of the resource's ``ignoreChanges``."""


class Failed(NamedTuple):
    """What stands after a write that did not reach its goal."""

    checkpoint: Checkpoint
    message: str
    reasons: tuple[str, ...] = ()


class KubernetesProvider:
    """Serves ``kubernetes`` from one API server; errors are ``KubernetesError``."""

    def __init__(
        self,
        warn: Callable[[str, str], None],
        progress: Callable[[str, str], None],
        connect: Callable[[Settings], Client] = Client,
    ) -> None:
        self.warn = warn
        """Told the resource's URN and what its user must know."""
        self._connect = connect
        self._cancelled = threading.Event()
        self._progress = progress
        # Nothing is read before somebody configures us, least of all the user's own kubeconfig.
        self._use(Settings(problem="the provider is not configured"))

    def configure(self, values: Mapping[str, Any]) -> None:
        """Take the provider's configuration; nothing is asked of the cluster yet."""
        self._use(Settings.read(values))

    def _use(self, settings: Settings) -> None:
        self.settings = settings
        self.client = self._connect(self.settings)
        self.waiter = Waiter(self.client, self._cancelled, self._progress)

    def cancel(self) -> None:
        """Stop waiting: what stands is kept in the state, as not ready."""
        self._cancelled.set()

    def check(self, declared: Declared, olds: Body, news: Body) -> Checked:
        """Return the inputs with what a program may leave out."""
        return program.check(declared, olds, news, self.settings.namespace)

    def diff(self, state: Body, news: Body) -> Comparison:
        """Return what would change; the cluster is not asked."""
        before = Checkpoint.of(state)
        return compare(before.inputs, before.live, dashed(news), self.settings.mutable)

    def create(self, task: Task, news: Body) -> Checkpoint | Failed | None:
        """Apply a new object; ``None`` where a preview cannot tell the outcome."""
        inputs = dashed(news)
        awaiter_of(inputs)  # refuses before anything is made
        manager = _manager(inputs, "")
        if task.preview:
            return self._previewed(task, lambda: self._dry_create(task, inputs, manager))
        self._require()
        try:
            live = self._retried(
                lambda: self._make(task, inputs, Apply(manager, self._forced(inputs)))
            )
        except (ApiError, UnknownKindError) as error:
            raise KubernetesError(
                f"resource {task.urn} was not successfully created by the Kubernetes API server:"
                f" {error}"
            ) from error
        if Kind.of(inputs) == DEFINITION:
            self.client.forget_kinds()
        return self._awaited(task, inputs, live, Checkpoint({}, inputs, manager))

    def read(self, token: str, id_: str, state: Body, olds: Body) -> Checkpoint | Failed | None:
        """Return the object of now; ``None`` when it, or its kind, is gone."""
        try:
            self.client.connect()
        except UnreachableError as error:
            self._unreachable(error)
            return None
        namespace, _, name = id_.rpartition("/")
        before = Checkpoint.of(state)
        imported = not olds and not before.live
        kind = Kind.of_type(token) if imported else Kind.of(dashed(olds) or before.live)
        live = self.client.find(kind, namespace, name)
        if live is None:
            return None
        asked = normal(dashed(olds))
        inputs = as_declared(live) if imported else pruned(live, asked)
        found = before._replace(live=live, inputs=inputs, manager=_manager(inputs, before.manager))
        if not imported:
            try:
                self.waiter.check_now(asked, live)
            except NotReadyError as error:
                return Failed(found, str(error), error.reasons)
        return found

    def update(self, task: Task, state: Body, news: Body) -> Checkpoint | Failed | None:
        """Change an object in place; ``None`` where a preview cannot tell the outcome."""
        before, inputs = Checkpoint.of(state), dashed(news)
        awaiter_of(inputs)
        after = before._replace(inputs=inputs, manager=_manager(inputs, before.manager))
        if task.preview:
            return self._previewed(task, lambda: self._dry_update(task, before, after))
        self._require()
        try:
            live = self._change(task, before, after)
        except (ApiError, UnknownKindError) as error:
            standing = self._standing(before.live)
            if standing is None:
                raise KubernetesError(f"update of resource {task.urn} failed: {error}") from error
            return Failed(after._replace(live=standing), _not_live(before.live, error))
        done = self._awaited(task, inputs, live, after)
        if isinstance(done, Failed) or before.manager in ("", after.manager):
            return done
        return self._relinquished(done, before.manager)

    def delete(self, task: Task, state: Body) -> Failed | None:
        """Delete an object and what hangs on it, and wait until it is gone."""
        before = Checkpoint.of(state)
        kind, namespace, name = (
            Kind.of(before.live),
            namespace_of(before.live),
            name_of(before.live),
        )
        policy = annotation(before.inputs, PROPAGATION).lower()
        try:
            self.client.connect()
            self.client.delete(kind, namespace, name, POLICIES.get(policy, "Foreground"))
            self.waiter.until_gone(task.urn, before.inputs, before.live, task.timeout)
        except UnreachableError as error:
            self._unreachable(error)
        except UnknownKindError:
            return None  # its definition is gone, and it with it
        except ApiError as error:
            if not error.gone:
                raise
        except NotReadyError as error:
            return Failed(before._replace(live=error.live), str(error), error.reasons)
        if kind == DEFINITION:
            self.client.forget_kinds()
        return None

    # -- writing ---------------------------------------------------------------------

    def _make(self, task: Task, inputs: Body, how: Apply) -> Body:
        """Make an object; one that stands already is taken over only if that was asked for.

        Whoever renames a resource without an alias would otherwise have it taken over, and
        then deleted under its old name.
        """
        if self.settings.upsert:
            return self._apply(task, inputs, how)
        return self.client.create(inputs, how, lambda text: self.warn(task.urn, text))

    def _apply(self, task: Task, inputs: Body, how: Apply) -> Body:
        def warn(text: str) -> None:
            self.warn(task.urn, text)

        try:
            return self.client.apply(inputs, how, warn)
        except ApiError as error:
            if error.reason != "Conflict":
                raise
            if self._says_the_same(inputs, how):
                return self.client.apply(inputs, how._replace(force=True), warn)
            text = CONFLICT.format(force=FORCE, manager=how.manager, error=error)
            raise ApiError(error.status, error.reason, text) from error

    def _says_the_same(self, inputs: Body, how: Apply) -> bool:
        """Tell whether a conflict is about words: ``1000m`` against another manager's ``1``.

        The real plugin writes everything as the server would, so it never has these. We
        would have them with ourselves, when an ``up`` follows one that was killed.
        """
        live = self.client.find(*_place(inputs))
        meant = self.client.apply(inputs, Apply(how.manager, force=True, dry_run=True), _ignore)
        return live is not None and _content(live) == _content(meant)

    def _change(self, task: Task, before: Checkpoint, after: Checkpoint) -> Body:
        live = self.client.get(*_place(before.live))
        how = Apply(after.manager, self._forced(after.inputs), task.preview)
        if Kind.of(after.inputs) == DEFINITION:
            version = metadata(live).get("resourceVersion")
            meta = {**metadata(after.inputs), "resourceVersion": version}
            obj = {**after.inputs, "metadata": meta}
            return self.client.replace(obj, how, lambda text: self.warn(task.urn, text))
        operations = takeover(live, after.manager)
        if operations and task.preview:
            how = how._replace(force=True)  # no conflict with what an update takes over
        elif operations:
            live = self.client.patch(live, operations)
        sent = without_ignored(after.inputs, live, after.manager, list(task.ignored))
        return self._apply(task, sent, how)

    def _retried(self, work: Callable[[], Body]) -> Body:
        """Work until its namespace or definition is there: order is not always declared."""
        for seconds in RETRY_SECONDS:
            try:
                return work()
            except UnknownKindError:
                pass
            except ApiError as error:
                if not error.gone:
                    raise
            if self._cancelled.wait(seconds):
                break
        return work()

    def _awaited(
        self, task: Task, inputs: Body, live: Body, checkpoint: Checkpoint
    ) -> Checkpoint | Failed:
        """Wait for what is made; whatever happens now, the state must keep it."""
        try:
            ready = self.waiter.until_ready(task.urn, inputs, live, task.timeout)
        except NotReadyError as error:
            standing = self._last_seen(error.live)
            return Failed(checkpoint._replace(live=standing), _not_live(live, error), error.reasons)
        except KubernetesError as error:
            return Failed(checkpoint._replace(live=live), _not_live(live, error))
        return checkpoint._replace(live=self._last_seen(ready))

    def _last_seen(self, live: Body) -> Body:
        """Return the object of now, or as it was where the server cannot say."""
        try:
            return self._standing(live) or live
        except KubernetesError:
            return live

    def _standing(self, live: Body) -> Body | None:
        return self.client.find(*_place(live))

    def _relinquished(self, done: Checkpoint, manager: str) -> Checkpoint | Failed:
        """Let go of the fields of the manager before; one removed later would stay its else."""
        kind, namespace, name = _place(done.live)
        meta = {"name": name, **({"namespace": namespace} if namespace else {})}
        nothing = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta}
        try:
            self.client.apply(nothing, Apply(manager), _ignore)
        except KubernetesError as error:
            return Failed(done, f"the fields of manager {manager!r} are still its own: {error}")
        return done._replace(live=self._last_seen(done.live))

    def _forced(self, inputs: Body) -> bool:
        noted = annotation(inputs, FORCE)
        return noted == "true" if noted else self.settings.force

    # -- previews and what stands in their way -----------------------------------------

    def _previewed(self, task: Task, dry_run: Callable[[], Checkpoint | None]) -> Checkpoint | None:
        """Ask the server what it would do; an unreachable one is no reason to fail."""
        try:
            self.client.connect()
            return dry_run()
        except UnreachableError as error:
            self.warn(task.urn, UNREACHABLE.format(error=error))
            return None
        except ApiError as error:
            if error.reason == "Forbidden" or error.missing == "namespaces":
                return None
            raise

    def _dry_create(self, task: Task, inputs: Body, manager: str) -> Checkpoint | None:
        if has_unknown(inputs) or not self.client.serves(Kind.of(inputs)):
            return None
        how = Apply(manager, force=True, dry_run=True)
        try:
            live = self._make(task, inputs, how)
        except ApiError as error:
            if error.reason != "AlreadyExists" and IMMUTABLE not in str(error):
                raise
            live = self._make(task, _renamed(inputs), how)
            live["metadata"] = {**metadata(live), "name": name_of(inputs)}
        live.pop("status", None)
        return Checkpoint(live, inputs, manager)

    def _dry_update(self, task: Task, before: Checkpoint, after: Checkpoint) -> Checkpoint | None:
        if has_unknown(after.inputs) or not self.client.serves(Kind.of(after.inputs)):
            return None
        return after._replace(live=self._change(task, before, after))

    def _require(self) -> None:
        try:
            self.client.connect()
        except UnreachableError as error:
            raise UnreachableError(UNREACHABLE.format(error=error)) from error

    def _unreachable(self, error: UnreachableError) -> None:
        """Let go of an object whose cluster is gone, if that was asked for."""
        if not self.settings.delete_unreachable:
            raise UnreachableError(DELETE_UNREACHABLE.format(error=error)) from error


def _manager(inputs: Body, known: str) -> str:
    generated = f"pulumi-kubernetes-{random.token_hex(4)}"
    return annotation(inputs, MANAGER) or known or generated


def _renamed(inputs: Body) -> Body:
    """Return an object of another name, which no other stands in the way of.

    A preview does not know whether the one that stands will be deleted before: the server
    can try no replacement.
    """
    name = f"{name_of(inputs)}-{random.token_hex(4)}"
    return {**inputs, "metadata": {**metadata(inputs), "name": name}}


def _ignore(_text: str) -> None:
    """Pass no warning on: the next request brings it again."""


def _content(live: Body) -> Body:
    """Return an object without what every write changes."""
    meta = {key: value for key, value in metadata(live).items() if key not in READ_ONLY}
    return {**live, "metadata": meta}


def _place(live: Body) -> tuple[Kind, str, str]:
    return Kind.of(live), namespace_of(live), name_of(live)


def _not_live(live: Body, error: Exception) -> str:
    return (
        f"the Kubernetes API server reported that {'/'.join(filter(None, _place(live)[1:]))!r}"
        f" failed to fully initialize or become live: {error}"
    )
