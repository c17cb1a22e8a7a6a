"""The gRPC face of a provider: what the engine calls, in the engine's words."""

from typing import Any

import grpc
from google.protobuf import empty_pb2
from typing_extensions import override

from local.cloud.arm import ArmError, Body
from local.cloud.diff import changes
from local.cloud.face import Context, Face, Partial
from local.cloud.protocol import provider_pb2
from local.cloud.provider import Declared, Initialised, Provider
from local.cloud.sdk import NoSuchType
from local.cloud.wire import Path, decode, encode


class Servicer(Face):
    """Serves one provider to one engine; secrets stay marked wherever they are echoed."""

    refusals = (ArmError, NoSuchType)

    def __init__(self, provider: Provider, version: str) -> None:
        super().__init__(version)
        self.provider = provider

    # -- the plugin itself -----------------------------------------------------------

    def CheckConfig(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Take any configuration."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Call no change of the configuration a replacement."""
        return provider_pb2.DiffResponse()

    def Configure(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Hand the configuration to the provider."""
        self.provider.configure(decode(request.args)[0])
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def Cancel(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Let the writes in hand finish: half of one helps nobody."""
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Answer a function of the package."""
        return self.answer(context, lambda: self._invoke(request))

    # -- one resource ----------------------------------------------------------------

    def Check(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Fill in defaults and report what is wrong."""
        return self.answer(context, lambda: self._check(request))

    def Diff(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Compare old and new inputs."""
        return self.answer(context, lambda: self._diff(request))

    def Create(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Create, or in a preview say what is known."""
        return self.answer(context, lambda: self._create(request, context))

    def Read(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Return what stands, for refresh and import."""
        return self.answer(context, lambda: self._read(request))

    def Update(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Change in place, or in a preview say what is known."""
        return self.answer(context, lambda: self._update(request, context))

    def Delete(self, request: Any, context: Context) -> Any:  # noqa: N802
        """Delete."""
        return self.answer(context, lambda: self._delete(request))

    # -- in plain bodies -------------------------------------------------------------

    @override
    def code(self, refusal: Exception) -> grpc.StatusCode:
        unsupported = isinstance(refusal, NoSuchType) or (
            isinstance(refusal, ArmError) and refusal.status == 501  # noqa: PLR2004
        )
        return grpc.StatusCode.UNIMPLEMENTED if unsupported else grpc.StatusCode.UNKNOWN

    def _invoke(self, request: Any) -> Any:
        answer = self.provider.invoke(request.tok, decode(request.args)[0])
        # As with Azure, nothing is marked as secret here: that is the program's to do.
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(encode(answer))  # a keyword of Python
        return response

    def _check(self, request: Any) -> Any:
        news, secrets = decode(request.news)
        options = request.autonaming if request.HasField("autonaming") else None
        declared = Declared(
            request.urn,
            bytes(request.randomSeed),
            provider_pb2.CheckRequest.AutonamingOptions.Mode.Name(options.mode)
            if options
            else "PROPOSE",
            options.proposed_name if options else "",
        )
        checked = self.provider.check(declared, decode(request.olds)[0], news)
        return provider_pb2.CheckResponse(
            inputs=encode(checked.inputs, secrets),
            failures=[
                provider_pb2.CheckFailure(property=f.path, reason=f"{f.code}: {f.message}")
                for f in checked.failures
            ],
        )

    def _diff(self, request: Any) -> Any:
        old, new = decode(request.old_inputs)[0], decode(request.news)[0]
        found = changes(old, new, self.provider.replacing(Declared(request.urn).token))
        kinds = provider_pb2.PropertyDiff.Kind
        replaces = sorted({c.path for c in found if c.replaces})
        some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some if found else none,
            replaces=replaces,
            diffs=sorted({c.path.partition(".")[0].partition("[")[0] for c in found}),
            deleteBeforeReplace=bool(replaces) and self.provider.delete_first(new),
            hasDetailedDiff=True,
            detailedDiff={
                c.path: provider_pb2.PropertyDiff(
                    kind=kinds.Value(f"{c.kind}_REPLACE" if c.replaces else c.kind), inputDiff=True
                )
                for c in found
            },
        )

    def _create(self, request: Any, context: Context) -> Any:
        inputs, marked = decode(request.properties)
        declared = Declared(request.urn)
        if request.preview:
            known = self.provider.preview(declared.token, inputs, None)
            return provider_pb2.CreateResponse(properties=encode(known, marked))
        made = self.provider.create(declared, inputs, marked)
        outputs = self._outputs(declared.token, made.outputs, marked)
        if made.error is not None:
            self._abort_partial(context, made, outputs, request.properties)
        return provider_pb2.CreateResponse(id=made.id, properties=outputs)

    def _read(self, request: Any) -> Any:
        token = Declared(request.urn).token
        olds, old_secrets = decode(request.properties)
        old_inputs, marked = decode(request.inputs)
        standing = self.provider.read(token, request.id, olds, old_inputs)
        if standing is None:
            return provider_pb2.ReadResponse()
        marked |= standing.secrets
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=self._outputs(token, standing.outputs, marked | old_secrets),
            inputs=encode(standing.inputs, marked),
        )

    def _update(self, request: Any, context: Context) -> Any:
        inputs, marked = decode(request.news)
        token = Declared(request.urn).token
        if request.preview:
            known = self.provider.preview(token, inputs, decode(request.olds)[0])
            return provider_pb2.UpdateResponse(properties=encode(known, marked))
        changed = self.provider.update(token, request.id, inputs, marked)
        outputs = self._outputs(token, changed.outputs, marked)
        if changed.error is not None:
            self._abort_partial(context, changed, outputs, request.news)
        return provider_pb2.UpdateResponse(properties=outputs)

    def _delete(self, request: Any) -> Any:
        self.provider.delete(Declared(request.urn).token, request.id)
        return empty_pb2.Empty()

    def _outputs(self, token: str, outputs: Body, marked: frozenset[Path]) -> Any:
        """Return outputs for the state: an input that was secret is secret there too."""
        return encode(outputs, marked | self.provider.secret_outputs(token))

    def _abort_partial(
        self, context: Context, made: Initialised, outputs: Any, inputs: Any
    ) -> None:
        """Fail, but let the engine keep what there is."""
        self.abort_partial(context, Partial(made.id, str(made.error), outputs, inputs))
