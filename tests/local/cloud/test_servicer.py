"""What the engine sees: previews, secrets, names, diffs, reads, refusals."""

import pickle
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from local.cloud.arm import UNKNOWN, ArmError, Body, PartialFailure
from local.cloud.protocol import provider_pb2
from local.cloud.resources.identity import UserAssignedIdentity
from local.cloud.wire import decode, encode
from tests.local.cloud import declared
from tests.local.cloud.conftest import GROUP, SUBSCRIPTION, Engine, Refused

UAI = "managedidentity:UserAssignedIdentity"
OPTIONS = provider_pb2.CheckRequest.AutonamingOptions


class TestNames:
    def test_a_random_name_is_the_same_for_the_same_seed(self, engine: Engine) -> None:
        first, second = (
            decode(engine.check(UAI, {"resourceGroupName": "rg"}, "app").inputs)[0]
            for _ in range(2)
        )
        assert first == second
        assert first["resourceName"].startswith("app")
        assert len(first["resourceName"]) == len("app") + 8
        assert first["__createBeforeDelete"] is True

    def test_a_name_once_given_is_kept(self, engine: Engine) -> None:
        olds = {"resourceName": "app-before", "__createBeforeDelete": True}
        checked = engine.check(UAI, {"resourceGroupName": "rg"}, "app", olds=olds)
        inputs = decode(checked.inputs)[0]
        assert inputs["resourceName"] == "app-before"
        assert inputs["__createBeforeDelete"] is True

    def test_a_grant_is_named_by_a_guid(self, engine: Engine) -> None:
        asked = declared.assignment(declared.ASSIGNMENT)
        del asked["roleAssignmentName"]
        checked = engine.check("authorization:RoleAssignment", asked)
        assert not checked.failures
        assert len(decode(checked.inputs)[0]["roleAssignmentName"]) == 36

    @pytest.mark.parametrize(
        ("options", "name"),
        [
            (OPTIONS(mode=OPTIONS.PROPOSE, proposed_name="app-1"), "app-1"),
            (OPTIONS(mode=OPTIONS.ENFORCE, proposed_name="app-2"), "app-2"),
            (OPTIONS(mode=OPTIONS.DISABLE), None),
        ],
    )
    def test_the_engines_autonaming_is_respected(
        self, engine: Engine, options: Any, name: str | None
    ) -> None:
        checked = engine.check(UAI, {"resourceGroupName": "rg"}, "app", autonaming=options)
        assert decode(checked.inputs)[0].get("resourceName") == name
        assert bool(checked.failures) is (name is None)


class TestLocation:
    def test_comes_from_the_provider(self, engine: Engine) -> None:
        inputs = decode(engine.check(UAI, declared.identity()).inputs)[0]
        assert inputs["location"] == "westeurope"

    def test_old_ones_stay(self, engine: Engine) -> None:
        checked = engine.check(UAI, declared.identity(), olds={"location": "northeurope"})
        assert decode(checked.inputs)[0]["location"] == "northeurope"

    @pytest.mark.parametrize(("group", "place"), [("there", "uksouth"), (UNKNOWN, UNKNOWN)])
    def test_else_from_the_resource_group(
        self, new_engine: Callable[..., Engine], group: str, place: str
    ) -> None:
        engine = new_engine()
        engine.provider.configure({"subscriptionId": SUBSCRIPTION})
        engine.create(
            "resources:ResourceGroup", {"resourceGroupName": "there", "location": "uksouth"}
        )
        asked = {**declared.identity(), "resourceGroupName": group}
        assert decode(engine.check(UAI, asked).inputs)[0]["location"] == place

    def test_is_not_given_to_what_takes_none(self, engine: Engine) -> None:
        inputs = decode(engine.check("network:Subnet", declared.subnet()).inputs)[0]
        assert "location" not in inputs


class TestPreview:
    def preview(self, engine: Engine, token: str, inputs: Body) -> Body:
        request = provider_pb2.CreateRequest(
            urn=engine.urn(token, "it"), properties=encode(inputs), preview=True
        )
        made = engine.call("Create", request)
        assert made.id == ""
        return decode(made.properties)[0]

    def test_knows_the_inputs_and_nothing_else(self, engine: Engine) -> None:
        outputs = self.preview(engine, "keyvault:Vault", declared.vault())
        assert outputs["properties"]["sku"] == {"family": "A", "name": "premium"}
        assert outputs["properties"]["vaultUri"] == UNKNOWN
        assert outputs["name"] == UNKNOWN
        assert "vaultName" not in outputs

    def test_leaves_no_trace(self, engine: Engine) -> None:
        self.preview(engine, "keyvault:Vault", declared.vault())
        assert engine.world.children(GROUP) == []

    def test_does_not_show_a_secret_value(self, engine: Engine) -> None:
        outputs = self.preview(engine, "keyvault:Secret", declared.secret("canary"))
        assert "canary" not in str(outputs)

    def test_of_an_update_keeps_name_and_location(self, engine: Engine) -> None:
        id_, olds = engine.create(UAI, declared.identity())
        request = provider_pb2.UpdateRequest(
            id=id_,
            urn=engine.urn(UAI, "it"),
            olds=encode(olds),
            news=encode({**declared.identity(), "tags": {"a": "b"}}),
            preview=True,
        )
        outputs = decode(engine.call("Update", request).properties)[0]
        assert (outputs["name"], outputs["location"]) == ("id-cmk", "westeurope")
        assert outputs["principalId"] == UNKNOWN


class TestSecrets:
    def test_a_marked_input_stays_marked_wherever_it_is_echoed(self, engine: Engine) -> None:
        marked = frozenset({("tags", "owner")})
        asked = {**declared.identity(), "tags": {"owner": "canary", "env": "dev"}}
        checked = engine.check(UAI, asked, marked=marked)
        assert decode(checked.inputs)[1] == marked
        request = provider_pb2.CreateRequest(urn=engine.urn(UAI, "it"), properties=checked.inputs)
        made = engine.call("Create", request)
        outputs, secrets = decode(made.properties)
        assert outputs["tags"]["owner"] == "canary"
        assert secrets == marked
        imported = engine.read(UAI, made.id)
        assert decode(imported.inputs)[1] == decode(imported.properties)[1] == marked

    def test_a_secret_value_is_never_answered(self, engine: Engine) -> None:
        declared.stand(engine)
        id_, outputs = engine.create("keyvault:Secret", declared.secret("canary"))
        read = engine.read("keyvault:Secret", id_)
        assert "canary" not in str((outputs, read))

    def test_the_database_file_gives_none_away(self, engine: Engine, tmp_path: Any) -> None:
        declared.stand(engine)
        engine.create("keyvault:Secret", declared.secret("canary"))
        files = list((tmp_path / "cloud").glob("cloud.sqlite*"))
        text = b"".join(f.read_bytes() for f in files)
        assert b"canary" not in text
        assert b"PRIVATE KEY" not in text
        assert (tmp_path / "cloud" / "cloud.key").stat().st_mode & 0o777 == 0o600


class TestDiff:
    def diff(self, engine: Engine, token: str, old: Body, new: Body) -> Any:
        request = provider_pb2.DiffRequest(
            urn=engine.urn(token, "it"), old_inputs=encode(old), news=encode(new)
        )
        return engine.call("Diff", request)

    def test_says_none_when_nothing_changed(self, engine: Engine) -> None:
        old = {**declared.vault(), "location": "West Europe"}
        new = {**declared.vault(), "location": "westeurope", "__createBeforeDelete": True}
        found = self.diff(engine, "keyvault:Vault", old, new)
        assert found.changes == provider_pb2.DiffResponse.DIFF_NONE

    def test_a_path_argument_replaces_and_deletes_first(self, engine: Engine) -> None:
        found = self.diff(engine, "keyvault:Vault", declared.vault(), declared.vault("kv-two"))
        assert list(found.replaces) == ["vaultName"]
        assert found.deleteBeforeReplace
        assert found.detailedDiff["vaultName"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE

    def test_a_random_name_need_not_be_deleted_first(self, engine: Engine) -> None:
        new = {**declared.vault("kv-two"), "__createBeforeDelete": True}
        found = self.diff(engine, "keyvault:Vault", declared.vault(), new)
        assert list(found.replaces) == ["vaultName"]
        assert not found.deleteBeforeReplace

    def test_a_nested_change_is_named_and_stays_in_place(self, engine: Engine) -> None:
        new = declared.vault(sku={"family": "A", "name": "standard"})
        found = self.diff(engine, "keyvault:Vault", declared.vault(), new)
        assert list(found.detailedDiff) == ["properties.sku.name"]
        assert list(found.diffs) == ["properties"]
        assert not found.replaces


class TestRead:
    def state(self, engine: Engine, token: str, inputs: Body) -> tuple[str, Body, Body]:
        full = decode(engine.check(token, inputs).inputs)[0]
        id_, outputs = engine.create(token, inputs)
        return id_, full, outputs

    @pytest.mark.parametrize(
        ("token", "inputs"),
        [
            ("network:PrivateEndpoint", declared.endpoint()),
            ("monitor:DiagnosticSetting", declared.diagnostics()),
            ("authorization:ManagementLockByScope", declared.lock()),
            (
                "authorization:RoleAssignment",
                declared.assignment(declared.ASSIGNMENT, scope=GROUP),
            ),
            ("keyvault:Secret", declared.secret()),
        ],
    )
    def test_is_stable(self, engine: Engine, token: str, inputs: Body) -> None:
        declared.stand(engine)
        id_, asked, outputs = self.state(engine, token, inputs)
        read = engine.read(token, id_, properties=encode(outputs), inputs=encode(asked))
        assert decode(read.properties)[0] == outputs
        assert decode(read.inputs)[0] == asked

    def test_of_an_import_returns_what_was_asked_for(self, engine: Engine) -> None:
        declared.stand(engine)
        id_, asked, outputs = self.state(engine, "network:PrivateEndpoint", declared.endpoint())
        read = engine.read("network:PrivateEndpoint", id_)
        assert decode(read.inputs)[0] == asked
        assert decode(read.properties)[0] == outputs

    def test_shows_a_change_made_outside(self, engine: Engine) -> None:
        id_, asked, outputs = self.state(engine, UAI, {**declared.identity(), "tags": {"a": "b"}})
        engine.update(UAI, id_, {**declared.identity(), "tags": {"a": "c"}})
        read = engine.read(UAI, id_, properties=encode(outputs), inputs=encode(asked))
        assert decode(read.inputs)[0] == {**asked, "tags": {"a": "c"}}

    def test_of_what_is_gone_is_empty(self, engine: Engine) -> None:
        assert engine.read(UAI, declared.IDENTITY_ID).id == ""


class TestLifecycle:
    def test_remembers_who_created_it(self, engine: Engine) -> None:
        id_, _ = engine.create(UAI, declared.identity(), "app")
        assert engine.store.created_by(engine.urn(UAI, "app")) == id_
        engine.delete(UAI, id_)
        assert engine.store.created_by(engine.urn(UAI, "app")) is None

    def test_deleting_what_is_gone_is_fine(self, engine: Engine) -> None:
        engine.delete(UAI, declared.IDENTITY_ID)

    def test_one_write_at_a_time_where_the_type_says_so(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(UserAssignedIdentity, "serialised_on", lambda *_: GROUP)
        engine.store.claim(GROUP, "another write")
        with pytest.raises(Refused, match="AnotherOperationInProgress"):
            engine.create(UAI, declared.identity())
        engine.store.release(GROUP)
        engine.create(UAI, declared.identity())
        assert engine.store.claim(GROUP, "the next")

    def test_answers_the_api_version(self, engine: Engine) -> None:
        assert engine.create(UAI, declared.identity())[1]["azureApiVersion"] == "2023-01-31"

    def test_a_partial_failure_leaves_what_there_is_in_the_state(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> Body:
            error = ArmError(500, "InternalServerError", "half of it")
            raise PartialFailure(error, {"name": "id-cmk"})

        monkeypatch.setattr(UserAssignedIdentity, "create", fail)
        with pytest.raises(Refused, match="half of it") as refused:
            engine.create(UAI, declared.identity())
        metadata = pickle.dumps(refused.value.metadata)
        assert b"ErrorResourceInitFailed" in metadata
        assert engine.world.require(declared.IDENTITY_ID).outputs["name"] == "id-cmk"

    @pytest.mark.parametrize("method", ["Check", "Diff", "Create", "Read", "Update", "Delete"])
    def test_an_unknown_type_is_named_never_pretended(self, engine: Engine, method: str) -> None:
        request = getattr(provider_pb2, f"{method}Request")(urn=engine.urn("batch:Pool", "it"))
        with pytest.raises(Refused, match="has no 'azure-native:batch:Pool'") as refused:
            engine.call(method, request)
        assert refused.value.code == grpc.StatusCode.UNIMPLEMENTED

    def test_a_function_is_refused_by_name(self, engine: Engine) -> None:
        request = provider_pb2.InvokeRequest(tok="azure-native:authorization:getClientConfig")
        with pytest.raises(Refused, match="no function 'azure-native:authorization:getClient"):
            engine.call("Invoke", request)
