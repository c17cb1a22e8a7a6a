"""The pack as Pulumi's engine talks to it.

It speaks the engine's protocol itself.  Pulumi's SDK for policies reads every resource once more
for every rule, hides which inputs are secret, and shows rules about the stack only what providers
answered; here each resource is read once, as the program declared it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.proto import analyzer_pb2 as messages
from pulumi.runtime.proto.analyzer_pb2_grpc import AnalyzerServicer
from pulumi.runtime.proto.plugin_pb2 import PluginInfo
from typing_extensions import override

from assurance.exceptions import Kept
from assurance.policies import exceptions
from assurance.policies.judge import Finding, Verdict, judge_resource, judge_stack
from assurance.policies.model import Resource, Rule, Severity, Stack
from assurance.policies.state import environment_of, plain

NAME: Final = "engram"
VERSION: Final = "0.1.0"

UNDECIDED: Final = "Not yet decidable: "
EXCEPTION: Final = "Exception until "
"""What the words of a diagnostic begin with that is no violation."""

SEVERITIES: Final = {
    Severity.LOW: messages.POLICY_SEVERITY_LOW,
    Severity.MEDIUM: messages.POLICY_SEVERITY_MEDIUM,
    Severity.HIGH: messages.POLICY_SEVERITY_HIGH,
    Severity.CRITICAL: messages.POLICY_SEVERITY_CRITICAL,
}


class Analyzer(AnalyzerServicer):
    """Judges each resource before it is made, and the stack when all are known.

    A rule is mandatory unless the configuration says otherwise.  What a preview cannot decide is
    advisory in the preview only: an update in which it is still unknown is stopped.
    """

    def __init__(self, rules: Sequence[Rule], kept: Sequence[Kept], today: date) -> None:
        self._rules = tuple(rules)
        self._kept = tuple(kept)
        self._today = today
        self._levels: dict[str, Any] = {}
        self._preview = False
        self._declared: dict[str, Resource] = {}

    @override
    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return PluginInfo(version=VERSION)

    @override
    def GetAnalyzerInfo(self, request: Any, context: Any) -> Any:
        policies = [_policy(rule) for rule in (*self._rules, exceptions.RULE)]
        return messages.AnalyzerInfo(
            name=NAME, version=VERSION, supportsConfig=True, policies=policies
        )

    @override
    def Configure(self, request: Any, context: Any) -> Any:
        self._levels = {name: it.enforcementLevel for name, it in request.policyConfig.items()}
        return Empty()

    @override
    def ConfigureStack(self, request: Any, context: Any) -> Any:
        self._preview = request.dry_run
        return messages.AnalyzerStackConfigureResponse()

    @override
    def Remediate(self, request: Any, context: Any) -> Any:
        return messages.RemediateResponse()  # rules say what to do; people do it

    @override
    def Analyze(self, request: Any, context: Any) -> Any:
        resource = _resource(request)
        found = list(judge_resource(resource, self._rules))
        self._declared[resource.urn] = resource
        return self._response(found, environment_of(resource.urn))

    @override
    def AnalyzeStack(self, request: Any, context: Any) -> Any:
        present = [self._made(given) for given in request.resources]
        if not present:  # all of it is being destroyed
            return messages.AnalyzeResponse()
        environment = environment_of(present[0].urn)
        stack = Stack(tuple(present), environment)
        of_stack = list(judge_stack(stack, self._rules))
        overdue = exceptions.overdue(stack, self._kept, self._today)
        return self._response([*of_stack, *overdue], environment)

    def _made(self, given: Any) -> Resource:
        """Return what was declared, with what is known about it since.

        What this run did not declare, because it was not among the targets, is read from what its
        provider answered.
        """
        answered = plain(MessageToDict(given.properties))
        known = self._declared.get(given.urn)
        return replace(
            known or replace(_resource(given), raw=answered, declared=False),
            parent=given.parent,
            dependencies=tuple(given.dependencies),
            property_dependencies={
                key: tuple(listed.urns) for key, listed in given.propertyDependencies.items()
            },
            outputs=answered,
        )

    def _response(self, found: Sequence[Finding], environment: str) -> Any:
        heard = (exceptions.heard(it, environment, self._kept, self._today) for it in found)
        return messages.AnalyzeResponse(
            diagnostics=[
                self._diagnostic(finding)
                for finding in heard
                if self._level(finding.rule) != messages.DISABLED
            ]
        )

    def _diagnostic(self, finding: Finding) -> Any:
        rule = finding.rule
        advisory = finding.verdict is Verdict.EXCEPTION or (
            finding.verdict is Verdict.UNDECIDED and self._preview
        )
        return messages.AnalyzeDiagnostic(
            policyName=rule.name,
            policyPackName=NAME,
            policyPackVersion=VERSION,
            description=rule.title,
            message=words(finding),
            enforcementLevel=messages.ADVISORY if advisory else self._level(rule),
            severity=SEVERITIES[rule.severity],
            urn=finding.resource.urn if finding.resource else "",
        )

    def _level(self, rule: Rule) -> Any:
        return self._levels.get(rule.name, messages.MANDATORY)


def words(finding: Finding) -> str:
    """Return what is wrong and what to do; or in one line why nothing need be done now.

    The engine prints nothing else of a rule but its name and severity.
    """
    if finding.verdict is Verdict.UNDECIDED:
        return f"{UNDECIDED}{finding.says} is not known before the update."
    if finding.kept is not None:
        kept = finding.kept
        return f"{EXCEPTION}{kept.expires} ({kept.owner}): {finding.says}. {kept.reason}"
    return f"{finding.rule.title}.\n{finding.says}.\nDo: {finding.rule.remediation}"


def _policy(rule: Rule) -> Any:
    kind = messages.POLICY_TYPE_STACK if rule.of_stack else messages.POLICY_TYPE_RESOURCE
    return messages.PolicyInfo(
        name=rule.name,
        displayName=rule.title,
        description=rule.title,
        enforcementLevel=messages.MANDATORY,
        severity=SEVERITIES[rule.severity],
        policy_type=kind,
        remediation_steps=rule.remediation,
        framework=messages.PolicyComplianceFramework(name="NIST AI RMF", version="1.0"),
        tags=[*rule.ai_rmf, *rule.sp800_53, *rule.checkov],
    )


def _resource(given: Any) -> Resource:
    return Resource(
        type=given.type,
        name=given.name,
        urn=given.urn,
        raw=plain(MessageToDict(given.properties)),
        protect=given.options.protect,
        parent=given.options.parent,
    )
