"""What a server does only now and then: refuses, is not there, is late."""

from pathlib import Path

import pytest

from local.cloud.arm import UNKNOWN, Body
from local.cloud.kubernetes import provider as module
from local.cloud.kubernetes.checkpoint import Checkpoint
from local.cloud.kubernetes.errors import (
    ApiError,
    KubernetesError,
    NotReadyError,
    UnknownKindError,
    UnreachableError,
)
from local.cloud.kubernetes.objects import Kind
from local.cloud.kubernetes.provider import Failed, Task
from tests.local.cloud.kubernetes.manifests import config_map, deployment, manifest, service
from tests.local.cloud.kubernetes.servers import GONE, Server, provider, waiter

UP, PREVIEW = Task("urn"), Task("urn", preview=True)
SETTINGS = config_map("zep", a="1")
CONFLICT = ApiError(409, "Conflict", 'conflict with "theirs": .data.a')
FORBIDDEN = ApiError(403, "Forbidden", "not allowed")
NO_NAMESPACE = ApiError(404, "NotFound", "no zep", "namespaces")
INVALID = ApiError(422, "Invalid", "field is immutable")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.0, 0.0))


def state(obj: Body) -> Body:
    return Checkpoint({**obj}, obj, "manager").outputs()


class TestPreview:
    @pytest.mark.parametrize("refusal", [FORBIDDEN, NO_NAMESPACE])
    def test_of_what_cannot_be_tried_shows_the_inputs(self, refusal: ApiError) -> None:
        assert provider(Server(refusal), []).create(PREVIEW, SETTINGS) is None

    def test_of_what_is_wrong_fails(self) -> None:
        server = Server(INVALID)
        server.put(SETTINGS)
        with pytest.raises(ApiError, match="immutable"):
            provider(server, []).update(PREVIEW, state(SETTINGS), SETTINGS)

    def test_only_warns_of_an_unreachable_cluster(self) -> None:
        said: list[str] = []
        assert provider(Server(reachable=False), said).create(PREVIEW, SETTINGS) is None
        assert said == ["configured Kubernetes cluster is unreachable: nobody answers"]

    def test_with_unknown_inputs_asks_nothing(self) -> None:
        server = Server()
        assert provider(server, []).create(PREVIEW, config_map("zep", a=UNKNOWN)) is None
        assert server.applied == []

    def test_of_an_unknown_kind_shows_the_inputs(self) -> None:
        server = Server()
        server.unknown = {"ConfigMap"}
        assert provider(server, []).create(PREVIEW, SETTINGS) is None

    def test_is_a_forced_dry_run_without_a_status(self) -> None:
        server = Server()
        shown = provider(server, []).create(PREVIEW, {**SETTINGS, "status": {}})
        assert isinstance(shown, Checkpoint)
        assert "status" not in shown.live
        assert [(how.force, how.dry_run) for how in server.applied] == [(True, True)]
        assert server.objects == {}

    def test_of_a_change_has_no_conflict_with_how_the_object_was_made(self) -> None:
        server, made = Server(), config_map("zep", a="1")
        entry = {"manager": "pulumi-kubernetes-1234", "operation": "Update"}
        made["metadata"]["managedFields"] = [entry]
        server.put(made)
        provider(server, []).update(PREVIEW, state(SETTINGS), config_map("zep", a="2"))
        assert [how.force for how in server.applied] == [True]

    @pytest.mark.parametrize("values", [{}, {"upsertExistingObjects": "true"}])
    def test_of_a_replacement_is_tried_under_another_name(self, values: Body) -> None:
        server = Server(*([INVALID] if values else []))
        server.put(SETTINGS)
        shown = provider(server, [], **values).create(PREVIEW, config_map("zep", a="2"))
        assert isinstance(shown, Checkpoint)
        assert shown.id == "zep/settings"
        assert server.objects == {"ConfigMap/zep/settings": SETTINGS}


class TestCreate:
    def test_takes_over_what_stands_only_when_asked_to(self) -> None:
        server = Server()
        server.put(SETTINGS)
        with pytest.raises(KubernetesError, match=r"was not successfully created .* already exist"):
            provider(server, []).create(UP, SETTINGS)
        upsert = provider(server, [], upsertExistingObjects="true")
        assert isinstance(upsert.create(UP, SETTINGS), Checkpoint)

    def test_keeps_what_is_made_though_the_server_stops_answering(self) -> None:
        server = Server()
        server.silent = True
        made = provider(server, []).create(UP, SETTINGS)
        assert isinstance(made, Checkpoint)
        assert made.live == SETTINGS
        waiting = provider(server, []).create(UP, deployment("zep"))
        assert isinstance(waiting, Failed)
        assert "failed to fully initialize or become live: no answer" in waiting.message
        assert waiting.checkpoint.live == deployment("zep")

    @pytest.mark.parametrize("refusal", [GONE, UnknownKindError("no kind")])
    def test_waits_for_what_it_lies_in(self, refusal: Exception) -> None:
        server = Server(refusal, refusal)
        assert isinstance(provider(server, []).create(UP, SETTINGS), Checkpoint)
        assert len(server.applied) == 3

    def test_does_not_wait_for_ever(self) -> None:
        with pytest.raises(KubernetesError, match=r"was not successfully created .* not found"):
            provider(Server(*[GONE] * 3), []).create(UP, SETTINGS)

    def test_in_an_unreachable_cluster_fails(self) -> None:
        with pytest.raises(UnreachableError, match="cluster is unreachable: nobody answers"):
            provider(Server(reachable=False), []).create(UP, SETTINGS)

    def test_a_conflict_is_told_with_the_way_out(self) -> None:
        server = Server(CONFLICT)
        server.put({**SETTINGS, "data": {"a": "theirs"}})
        with pytest.raises(KubernetesError, match=r"patchForce.*\n.*theirs.: \.data\.a"):
            provider(server, [], upsertExistingObjects="true").create(UP, SETTINGS)

    def test_a_conflict_about_words_is_none(self) -> None:
        server = Server(CONFLICT)
        server.put(SETTINGS)
        made = provider(server, [], upsertExistingObjects="true").create(UP, SETTINGS)
        assert isinstance(made, Checkpoint)
        assert [how.force for how in server.applied] == [False, True, True]

    def test_a_manager_can_be_named(self) -> None:
        named = config_map("zep")
        named["metadata"]["annotations"] = {"pulumi.com/patchFieldManager": "me"}
        made = provider(Server(), []).create(UP, named)
        assert isinstance(made, Checkpoint)
        assert made.manager == "me"

    def test_what_never_gets_ready_is_kept_with_the_reasons(self) -> None:
        server = Server()
        made = provider(server, []).create(Task("urn", timeout=0.01), deployment("zep"))
        assert isinstance(made, Failed)
        assert (
            "'zep/web' failed to fully initialize or become live: 'web' timed out" in made.message
        )
        assert made.reasons[-1] == "0 out of 1 replicas are ready"
        assert made.checkpoint.id == "zep/web"

    def test_a_cancelled_wait_keeps_what_stands(self) -> None:
        cancelled = provider(Server(), [])
        cancelled.cancel()
        made = cancelled.create(UP, deployment("zep"))
        assert isinstance(made, Failed)
        assert "'web' was cancelled" in made.message


class TestUpdate:
    def test_under_another_manager_lets_go_of_the_fields_of_the_old_one(self) -> None:
        server = Server()
        server.put(SETTINGS)
        named = config_map("zep", a="1")
        named["metadata"]["annotations"] = {"pulumi.com/patchFieldManager": "me"}
        done = provider(server, []).update(UP, state(SETTINGS), named)
        assert isinstance(done, Checkpoint)
        assert [how.manager for how in server.applied] == ["me", "manager"]

    @pytest.mark.parametrize(
        ("values", "noted", "force"),
        [
            ({}, "", False),
            ({"enablePatchForce": "true"}, "", True),
            ({"enablePatchForce": "true"}, "false", False),
            ({}, "true", True),
        ],
    )
    def test_takes_fields_over_only_when_asked_to(
        self, values: Body, noted: str, force: bool
    ) -> None:
        server, changed = Server(), config_map("zep", a="2")
        server.put(SETTINGS)
        if noted:
            changed["metadata"]["annotations"] = {"pulumi.com/patchForce": noted}
        provider(server, [], **values).update(UP, state(SETTINGS), changed)
        assert [how.force for how in server.applied] == [force]

    def test_that_is_refused_keeps_what_stands(self) -> None:
        server = Server(INVALID)
        server.put(SETTINGS)
        left = provider(server, []).update(UP, state(SETTINGS), config_map("zep", a="2"))
        assert isinstance(left, Failed)
        assert "field is immutable" in left.message
        assert left.checkpoint.live == SETTINGS
        assert left.checkpoint.manager == "manager"

    def test_of_what_is_gone_fails(self) -> None:
        with pytest.raises(KubernetesError, match="update of resource urn failed: not found"):
            provider(Server(), []).update(UP, state(SETTINGS), SETTINGS)


class TestDelete:
    @pytest.mark.parametrize(
        ("asked", "done"),
        [("", "Foreground"), ("background", "Background"), ("Orphan", "Orphan")],
    )
    def test_takes_what_hangs_on_it_along_unless_told_otherwise(
        self, asked: str, done: str
    ) -> None:
        obj = config_map("zep")
        obj["metadata"]["annotations"] = {"pulumi.com/deletionPropagationPolicy": asked}
        server = Server()
        server.put(obj)
        assert provider(server, []).delete(UP, state(obj)) is None
        assert server.deleted == [done]

    @pytest.mark.parametrize("unknown", [set(), {"ConfigMap"}])
    def test_of_what_is_gone_is_fine(self, unknown: set[str]) -> None:
        server = Server()
        server.unknown = unknown
        assert provider(server, []).delete(UP, state(SETTINGS)) is None

    def test_with_the_cluster_gone_names_the_way_out(self) -> None:
        server = Server(reachable=False)
        with pytest.raises(UnreachableError, match="set PULUMI_K8S_DELETE_UNREACHABLE"):
            provider(server, []).delete(UP, state(SETTINGS))
        assert provider(server, [], deleteUnreachable="true").delete(UP, state(SETTINGS)) is None

    def test_that_hangs_names_the_finalizers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        server = Server()
        held = config_map("zep")
        held["metadata"]["finalizers"] = ["example/held"]
        server.put(held)
        monkeypatch.setattr(server, "delete", lambda *_: None)
        left = provider(server, []).delete(Task("urn", timeout=0.01), state(held))
        assert isinstance(left, Failed)
        assert left.reasons == ("finalizers: example/held",)

    def test_another_object_of_the_same_name_is_not_waited_for(self) -> None:
        old, new = service("zep"), service("zep")
        old["metadata"]["uid"], new["metadata"]["uid"] = "old", "new"
        server = Server()
        server.put(new)
        waiter(server).until_gone("urn", old, old, 0.01)


class TestRead:
    def test_of_what_is_gone_is_nothing(self) -> None:
        read = provider(Server(), []).read("kubernetes:core/v1:ConfigMap", "zep/settings", {}, {})
        assert read is None

    def test_shows_drift_in_the_inputs(self) -> None:
        server = Server()
        server.put({**SETTINGS, "data": {"a": "theirs", "b": "more"}})
        token = "kubernetes:core/v1:ConfigMap"
        found = provider(server, []).read(token, "zep/settings", state(SETTINGS), SETTINGS)
        assert isinstance(found, Checkpoint)
        assert found.inputs["data"] == {"a": "theirs"}
        assert found.manager == "manager"

    def test_of_what_is_not_ready_says_so(self) -> None:
        server, web = Server(), deployment("zep")
        server.put(web)
        token = "kubernetes:apps/v1:Deployment"
        found = provider(server, []).read(token, "zep/web", state(web), web)
        assert isinstance(found, Failed)
        assert "'web' was created but failed to initialize" in found.message

    def test_of_an_import_declares_all_of_it(self) -> None:
        server = Server()
        server.put({**SETTINGS, "status": {}})
        found = provider(server, []).read("kubernetes:core/v1:ConfigMap", "zep/settings", {}, {})
        assert isinstance(found, Checkpoint)
        assert found.inputs == SETTINGS


def test_a_refresh_does_not_judge_claims() -> None:
    claim = manifest("v1:PersistentVolumeClaim", "zep", "disk", status={"phase": "Pending"})
    waiter(Server()).check_now(claim, claim)


def test_events_tell_why() -> None:
    server, web = Server(), deployment("zep")
    event = manifest("v1:Event", "zep", "e", type="Warning", reason="Failed", message="no room")
    server.put({**event, "involvedObject": {"name": "web-1"}})
    server.put(web)
    with pytest.raises(NotReadyError, match="timed out") as raised:
        waiter(server).until_ready("urn", web, web, 0.01)
    assert raised.value.reasons[-1] == "web-1: [Failed] no room"


def test_nothing_is_read_before_the_configuration_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "config"
    users.write_text("clusters: [{name: theirs, cluster: {}}]\n")
    monkeypatch.setenv("KUBECONFIG", str(users))
    fresh = module.KubernetesProvider(lambda *_: None, lambda *_: None)
    assert fresh.settings.kubeconfig == {}
    with pytest.raises(UnreachableError, match="the provider is not configured"):
        fresh.client.connect()


def test_a_definition_that_is_replaced_makes_its_kind_known() -> None:
    server = Server()
    server._resources["v1"] = {}
    definition = manifest("apiextensions.k8s.io/v1:CustomResourceDefinition", "", "w.example")
    provider(server, []).create(UP, definition)
    assert server._resources == {}
    assert Kind.of(definition).built_in
