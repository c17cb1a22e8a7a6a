"""The gRPC face of the kubernetes provider."""

from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from typing_extensions import override

from local.cloud.arm import Body
from local.cloud.face import Context, Face, Partial
from local.cloud.kubernetes.checkpoint import INPUTS, Checkpoint, secrets_of, underscored
from local.cloud.kubernetes.errors import KubernetesError, UnsupportedError
from local.cloud.kubernetes.kubeconfig import changes, refusals, unheeded
from local.cloud.kubernetes.provider import Failed, KubernetesProvider, Task
from local.cloud.protocol import provider_pb2
from local.cloud.provider import Declared
from local.cloud.wire import Path, decode, encode

SOME, NONE = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE


class KubernetesServicer(Face):
    """Serves one cluster to one engine; secrets stay marked wherever they are echoed."""

    refusals = (KubernetesError,)

    def __init__(self, provider: KubernetesProvider, version: str) -> None:
        super().__init__(version)
        self.provider = provider

    @override
    def code(self, refusal: Exception) -> grpc.StatusCode:
        unsupported = isinstance(refusal, UnsupportedError)
        return grpc.StatusCode.UNIMPLEMENTED if unsupported else grpc.StatusCode.UNKNOWN

    @override
    def give_up(self) -> None:
        self.provider.cancel()

    # -- the plugin itself -----------------------------------------------------------

    def CheckConfig(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Take any configuration but what is not served locally."""
        values = decode(request.news)[0]
        for name in unheeded(values):
            self.provider.warn(request.urn, f"`{name}` makes no difference locally")
        found = refusals(values)
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(found))

    def DiffConfig(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Replace everything when the configuration points at another cluster."""
        olds = request.old_inputs if request.HasField("old_inputs") else request.olds
        differing, replaces = changes(decode(olds)[0], decode(request.news)[0])
        return provider_pb2.DiffResponse(
            changes=SOME if differing else NONE, diffs=differing, replaces=replaces
        )

    def Configure(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Hand the configuration to the provider."""
        self.provider.configure(decode(request.args)[0])
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def Cancel(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Stop waiting for readiness; what stands is kept."""
        self.provider.cancel()
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Refuse: no function is served."""
        return self.answer(context, lambda: _refused(request.tok))

    # -- one resource ----------------------------------------------------------------

    def Check(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Fill in name and namespace."""
        return self.answer(context, lambda: self._check(request))

    def Diff(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Compare the live object of the state with the new inputs."""
        return self.answer(context, lambda: self._diff(request))

    def Create(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Apply a new object and wait for it, or in a preview ask what would become of it."""
        return self.answer(context, lambda: self._create(request, context))

    def Read(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Return the live object, for refresh and import."""
        return self.answer(context, lambda: self._read(request, context))

    def Update(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Apply the change and wait, or in a preview ask what would become of it."""
        return self.answer(context, lambda: self._update(request, context))

    def Delete(self, request: Any, context: Context) -> Any:  # noqa: N802 - gRPC's spelling
        """Delete and wait."""
        return self.answer(context, lambda: self._delete(request, context))

    # -- in plain bodies -------------------------------------------------------------

    def _check(self, request: Any) -> Any:
        news, marked = decode(request.news)
        options = request.autonaming if request.HasField("autonaming") else None
        modes = provider_pb2.CheckRequest.AutonamingOptions.Mode
        declared = Declared(
            request.urn,
            bytes(request.randomSeed),
            modes.Name(options.mode) if options else "PROPOSE",
            options.proposed_name if options else "",
        )
        checked = self.provider.check(declared, decode(request.olds)[0], news)
        return provider_pb2.CheckResponse(
            inputs=encode(checked.inputs, secrets_of(checked.inputs, marked)),
            failures=_failures(checked.failures),
        )

    def _diff(self, request: Any) -> Any:
        found = self.provider.diff(decode(request.olds)[0], decode(request.news)[0])
        kept = [c for c in found.changes if not _ignored(c.path, request.ignoreChanges)]
        found = found._replace(changes=kept)
        kinds = provider_pb2.PropertyDiff.Kind
        return provider_pb2.DiffResponse(
            changes=SOME if kept else NONE,
            replaces=found.replaces,
            deleteBeforeReplace=bool(found.replaces) and found.delete_first,
            hasDetailedDiff=True,
            detailedDiff={
                c.path: provider_pb2.PropertyDiff(
                    kind=kinds.Value(f"{c.kind}_REPLACE" if c.replaces else c.kind),
                    inputDiff=c.kind == "DELETE",
                )
                for c in kept
            },
        )

    def _create(self, request: Any, context: Context) -> Any:
        news, marked = decode(request.properties)
        task = Task(request.urn, request.timeout, request.preview)
        made = self.provider.create(task, news)
        if made is None:
            return provider_pb2.CreateResponse(properties=request.properties)
        if isinstance(made, Failed):
            self._abort(context, made, marked)
        outputs = _outputs(made, marked)
        return provider_pb2.CreateResponse(
            id="" if request.preview else made.id, properties=outputs
        )

    def _read(self, request: Any, context: Context) -> Any:
        token = Declared(request.urn).token
        olds, marked = decode(request.inputs)
        found = self.provider.read(token, request.id, decode(request.properties)[0], olds)
        if found is None:
            return provider_pb2.ReadResponse()
        if isinstance(found, Failed):
            self._abort(context, found, marked, request.id)
        inputs = underscored(found.inputs)
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=_outputs(found, marked),
            inputs=encode(inputs, secrets_of(inputs, marked)),
        )

    def _update(self, request: Any, context: Context) -> Any:
        news, marked = decode(request.news)
        ignored = tuple(request.ignoreChanges)
        task = Task(request.urn, request.timeout, request.preview, ignored)
        changed = self.provider.update(task, decode(request.olds)[0], news)
        if changed is None:
            return provider_pb2.UpdateResponse(properties=request.news)
        if isinstance(changed, Failed):
            self._abort(context, changed, marked, request.id)
        return provider_pb2.UpdateResponse(properties=_outputs(changed, marked))

    def _delete(self, request: Any, context: Context) -> Any:
        state, marked = decode(request.properties)
        left = self.provider.delete(Task(request.urn, request.timeout), state)
        if left is not None:
            inputs = frozenset(path[1:] for path in marked if path[:1] == (INPUTS,))
            self._abort(context, left, inputs, request.id)
        return empty_pb2.Empty()

    def _abort(
        self, context: Context, failed: Failed, marked: frozenset[Path], id_: str = ""
    ) -> NoReturn:
        """Fail, but let the engine keep what there is."""
        inputs = underscored(failed.checkpoint.inputs)
        partial = Partial(
            id_ or failed.checkpoint.id,
            failed.message,
            _outputs(failed.checkpoint, marked),
            encode(inputs, secrets_of(inputs, marked)),
            failed.reasons,
        )
        self.abort_partial(context, partial)
        raise AssertionError("aborting returned")


def _outputs(checkpoint: Checkpoint, marked: frozenset[Path]) -> Any:
    body: Body = checkpoint.outputs()
    return encode(body, secrets_of(body, marked))


def _failures(found: list[Any]) -> list[Any]:
    return [
        provider_pb2.CheckFailure(property=each.path, reason=f"{each.code}: {each.message}")
        for each in found
    ]


def _ignored(path: str, ignored: Any) -> bool:
    return any(path == each or path.startswith((f"{each}.", f"{each}[")) for each in ignored)


def _refused(token: str) -> NoReturn:
    raise UnsupportedError(
        f"function '{token}' is not served locally: declare the objects as resources instead"
    )
