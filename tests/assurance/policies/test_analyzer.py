"""assurance/policies: the pack, asked as Pulumi's engine asks it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2 as messages
from pulumi.runtime.proto.analyzer_pb2_grpc import AnalyzerStub

from assurance import policies
from assurance.exceptions import Kept
from assurance.policies.analyzer import Analyzer
from assurance.policies.exceptions import kept
from assurance.policies.model import UNKNOWN, Resource, Secret
from assurance.policies.rules import load
from assurance.policies.state import plain
from assurance.policies.wire import SEALED, SIGNATURE
from tests.assurance.recorded import stack

FOLDER = Path(policies.__file__).parent
TODAY = date(2026, 11, 1)
SOME_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SERVER = "azure-native:dbforpostgresql:Server"
OPEN = {"network": {"publicNetworkAccess": "Enabled"}}
RULE = "postgres-private"


def encode(value: Any) -> Any:
    """Return plain data as the engine sends it."""
    if value is UNKNOWN:
        return SOME_TEXT
    if isinstance(value, Secret):
        return {SIGNATURE: SEALED, "value": encode(value.value)}
    if isinstance(value, Mapping):
        return {key: encode(inner) for key, inner in value.items()}
    return [encode(item) for item in value] if isinstance(value, list) else value


def sent(resource: Resource) -> Any:
    """Return the request that the engine sends before it makes a resource."""
    properties = Struct()
    properties.update(encode(resource.raw))
    return messages.AnalyzeRequest(
        type=resource.type,
        name=resource.name,
        urn=resource.urn,
        properties=properties,
        options=messages.AnalyzerResourceOptions(protect=resource.protect, parent=resource.parent),
    )


def made(resource: Resource) -> Any:
    """Return the same when all are known: with outputs, and with what depends on what."""
    outputs = Struct()
    outputs.update(encode(resource.outputs))
    return messages.AnalyzerResource(
        type=resource.type,
        name=resource.name,
        urn=resource.urn,
        properties=outputs,
        dependencies=resource.dependencies,
        propertyDependencies={
            key: messages.AnalyzerPropertyDependencies(urns=urns)
            for key, urns in resource.property_dependencies.items()
        },
    )


def server(inputs: Mapping[str, Any], environment: str = "dev") -> Resource:
    urn = f"urn:pulumi:{environment}::engram::{SERVER}::it"
    return Resource(type=SERVER, name="it", urn=urn, raw=inputs)


def pack(*names: str, entries: tuple[Kept, ...] = (), preview: bool = False) -> Analyzer:
    rules = [load()[name] for name in names] or list(load().values())
    analyzer = Analyzer(rules, entries, TODAY)
    analyzer.ConfigureStack(messages.AnalyzerStackConfigureRequest(dry_run=preview), None)
    return analyzer


def asked(analyzer: Analyzer, inputs: Mapping[str, Any]) -> list[Any]:
    return list(analyzer.Analyze(sent(server(inputs)), None).diagnostics)


def test_a_violation_names_rule_resource_and_remedy() -> None:
    (said,) = asked(pack(RULE), OPEN)
    assert (said.policyName, said.policyPackName) == (RULE, "engram")
    assert said.enforcementLevel == messages.MANDATORY
    assert said.severity == messages.POLICY_SEVERITY_CRITICAL
    assert said.message.splitlines() == [
        "No address of the internet leads to a database.",
        "network.publicNetworkAccess is Enabled; allowed: Disabled.",
        "Do: Set network.publicNetworkAccess to Disabled; clients come through the endpoint.",
    ]
    assert said.urn.endswith("::it")


@pytest.mark.parametrize(
    ("level", "count"), [(messages.ADVISORY, 1), (messages.MANDATORY, 1), (messages.DISABLED, 0)]
)
def test_the_configuration_says_how_much_a_rule_matters(level: Any, count: int) -> None:
    analyzer = pack(RULE)
    request = messages.ConfigureAnalyzerRequest(
        policyConfig={RULE: messages.PolicyConfig(enforcementLevel=level)}
    )
    analyzer.Configure(request, None)
    found = asked(analyzer, OPEN)
    assert [said.enforcementLevel for said in found] == [level] * count


@pytest.mark.parametrize(
    ("preview", "level"), [(True, messages.ADVISORY), (False, messages.MANDATORY)]
)
def test_what_is_not_known_is_said_in_a_preview_and_stops_an_update(
    level: Any, *, preview: bool
) -> None:
    (said,) = asked(pack(RULE, preview=preview), {"network": UNKNOWN})
    assert said.enforcementLevel == level
    assert said.message == "Not yet decidable: network is not known before the update."


def test_an_exception_is_advice_with_its_reason() -> None:
    entry = Kept(check=RULE, resource="dev/*", reason="Why.", owner="us", expires=date(2027, 1, 1))
    (said,) = asked(pack(RULE, entries=(entry,)), OPEN)
    assert said.enforcementLevel == messages.ADVISORY
    assert said.message == (
        "Exception until 2027-01-01 (us):"
        " network.publicNetworkAccess is Enabled; allowed: Disabled. Why."
    )


# -- the stack -----------------------------------------------------------------------------


def analyzed(analyzer: Analyzer, resources: list[Resource]) -> list[Any]:
    for resource in resources:
        analyzer.Analyze(sent(resource), None)
    request = messages.AnalyzeStackRequest(resources=[made(resource) for resource in resources])
    return list(analyzer.AnalyzeStack(request, None).diagnostics)


@pytest.fixture(scope="module")
def uat() -> list[Resource]:
    """Return a stack whose ids end as Azure's do, with what the resource is called there."""
    found = stack("uat").resources
    told = {it.id: f"{it.id}/{own}" for it in found if (own := it._own_name())}
    return [replace(it, raw=_with(it.raw, told), id=told.get(it.id, it.id)) for it in found]


def _with(value: Any, told: Mapping[str, str]) -> Any:
    if isinstance(value, Secret):
        return Secret(_with(value.value, told))
    if isinstance(value, Mapping):
        return {told.get(key, key): _with(inner, told) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with(item, told) for item in value]
    return told.get(value, value) if isinstance(value, str) else value


def test_rules_of_the_stack_see_what_was_declared_not_what_was_answered(
    uat: list[Resource],
) -> None:
    """A provider answers less than it was given, and calls some of it otherwise."""
    bare = [replace(it, outputs={}) for it in uat]
    said = analyzed(pack(entries=kept()), bare)
    assert [it.policyName for it in said if it.enforcementLevel == messages.MANDATORY] == []
    request = messages.AnalyzeStackRequest(resources=[made(it) for it in bare])
    assert list(pack("postgres-private-endpoint").AnalyzeStack(request, None).diagnostics) != []


def test_a_grant_that_is_missing_is_missed(uat: list[Resource]) -> None:
    rest = [it for it in uat if not it.name.endswith("postgres-key-grant")]
    (said,) = analyzed(pack("key-granted-before-use"), rest)
    assert "primaryKeyURI" in said.message
    assert said.urn.endswith("::engram-uat-server")


@pytest.mark.parametrize(
    ("kind", "key", "instead", "rule"),
    [
        ("ManagementLockByScope", "scope", "{}/databases/other", "postgres-locked"),
        ("DiagnosticSetting", "resourceUri", "/subscriptions/other", "postgres-logs-kept"),
    ],
)
def test_what_is_wired_and_points_elsewhere_is_seen_in_an_update(
    uat: list[Resource], kind: str, key: str, instead: str, rule: str
) -> None:
    bent = [
        replace(it, raw={**it.raw, key: instead.format(it.raw[key])})
        if it.type.endswith(f":{kind}")
        else it
        for it in uat
    ]
    assert analyzed(pack(rule), uat) == []
    assert {said.policyName for said in analyzed(pack(rule), bent)} == {rule}


def test_a_targeted_update_is_not_stopped_by_what_it_leaves_out(uat: list[Resource]) -> None:
    """Nothing is marked as a secret there, and exceptions for it are not in vain."""
    analyzer = pack("secret-never-in-clear", "postgres-no-passwords", entries=kept())
    (alert, *_) = [it for it in uat if it.type.endswith(":MetricAlert")]
    analyzer.Analyze(sent(alert), None)
    request = messages.AnalyzeStackRequest(resources=[made(it) for it in uat])
    said = analyzer.AnalyzeStack(request, None).diagnostics
    assert [it.message for it in said if it.enforcementLevel == messages.MANDATORY] == []


def test_what_a_targeted_update_leaves_out_is_read_from_its_answers() -> None:
    analyzer = pack("vault-private-endpoint")
    given = server({}, "dev")
    vault = replace(given, type="azure-native:keyvault:Vault", outputs={"name": "kv"})
    request = messages.AnalyzeStackRequest(resources=[made(vault)])
    (said,) = analyzer.AnalyzeStack(request, None).diagnostics
    assert "no private endpoint leads to it" in said.message


def test_a_stack_that_is_gone_violates_nothing() -> None:
    assert analyzed(pack(), []) == []


def test_a_secret_in_clear_is_seen_because_secrets_stay_marked() -> None:
    given = server({"a": Secret("canary-of-a-password"), "b": "canary-of-a-password"})
    (said,) = analyzed(pack("secret-never-in-clear"), [given])
    assert "b holds in clear what is a secret elsewhere" in said.message
    assert "canary" not in said.message


def test_a_resource_is_read_once_whatever_the_number_of_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Any] = []

    def counted(given: Mapping[str, Any]) -> dict[str, Any]:
        calls.append(given)
        return plain(given)

    monkeypatch.setattr("assurance.policies.analyzer.plain", counted)
    asked(pack(), OPEN)
    assert len(calls) == 1


# -- the process ---------------------------------------------------------------------------


@contextmanager
def started() -> Iterator[Any]:
    """Start the pack as Pulumi's language host does, and connect to it."""
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(FOLDER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        assert process.stdout
        try:
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield AnalyzerStub(channel)
        finally:
            process.terminate()


def test_the_pack_starts_in_any_folder_and_tells_all_its_rules() -> None:
    with started() as stub:
        about = stub.GetAnalyzerInfo(Empty())
        found = stub.Analyze(sent(server(OPEN))).diagnostics
    assert {it.name for it in about.policies} == {*load(), "stack-exceptions"}
    assert {it.enforcementLevel for it in about.policies} == {messages.MANDATORY}
    assert all(it.remediation_steps and it.severity for it in about.policies)
    assert RULE in {said.policyName for said in found}


@pytest.mark.parametrize(
    ("name", "level"),
    [("dev", "advisory"), ("test", "advisory"), ("uat", "mandatory"), ("prod", "mandatory")],
)
def test_what_stops_an_environment(name: str, level: str) -> None:
    file = FOLDER / "enforcement" / f"{name}.json"
    assert json.loads(file.read_text(encoding="utf-8")) == {"all": level}
