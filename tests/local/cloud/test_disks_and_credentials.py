"""Disk encryption sets and federated credentials, in the light of everything else that stands."""

import pytest

from local.cloud import keyvault
from local.cloud.arm import Body
from local.cloud.resources.disk_encryption_set import refusal_of
from local.cloud.wire import decode
from tests.local.cloud import clusters, declared
from tests.local.cloud.clusters import (
    CLUSTER,
    CREDENTIAL,
    DISKS,
    DISKS_ID,
    DISKS_IDENTITY,
    GRANT,
    FakeFleet,
    cluster,
    credential,
    disks,
    furnish,
)
from tests.local.cloud.conftest import Engine, Refused
from tests.local.cloud.declared import IDENTITY_ID, KEY_ID, VAULT_ID


class TestDiskEncryptionSet:
    def test_turns_the_list_of_identities_into_a_map(self, engine: Engine) -> None:
        furnish(engine)
        outputs = engine.world.require(DISKS_ID).outputs
        assert list(outputs["identity"]["userAssignedIdentities"]) == [DISKS_IDENTITY]

    def test_needs_the_key(self, engine: Engine) -> None:
        ground = furnish(engine)
        engine.delete(GRANT, ground.key_grant)
        words = "KeyVaultAccessForbidden.*grant get, wrap and unwrap key permissions to user-assig"
        with pytest.raises(Refused, match=words):
            engine.create(DISKS, disks(ground.key_url, diskEncryptionSetName="second"))

    def test_needs_a_vault_that_forgets_nothing(self, engine: Engine) -> None:
        ground = furnish(engine)
        vault = engine.world.require(VAULT_ID)
        del vault.outputs["properties"]["enablePurgeProtection"]
        engine.world.put(vault)
        with pytest.raises(Refused, match="needs soft delete and purge protection"):
            engine.create(DISKS, disks(ground.key_url, diskEncryptionSetName="second"))

    @pytest.mark.parametrize("automatic", [True, False])
    def test_follows_a_rotation_if_it_shall(self, engine: Engine, automatic: bool) -> None:
        ground = furnish(engine)
        asked = disks(ground.key_url, rotationToLatestKeyVersionEnabled=automatic)
        engine.update(DISKS, DISKS_ID, asked)
        newest = keyvault.rotate(engine.world, engine.world.require(KEY_ID))
        answered = decode(engine.read(DISKS, DISKS_ID).properties)[0]["activeKey"]["keyUrl"]
        assert answered == (newest if automatic else ground.key_url)
        old, new = engine.world.private(KEY_ID)["versions"]
        engine.world.set_private(KEY_ID, {"versions": [{**old, "enabled": False}, new]})
        assert (refusal_of(engine.world, DISKS_ID) is None) == automatic

    def test_says_why_no_disk_can_be_made(self, engine: Engine) -> None:
        ground = furnish(engine)
        assert refusal_of(engine.world, DISKS_ID) is None
        keyvault.set_enabled(engine.world, engine.world.require(KEY_ID), enabled=False)
        refusal = refusal_of(engine.world, DISKS_ID)
        assert refusal is not None
        assert (refusal.code, ground.key_url in refusal.message) == (
            "KeyVaultAccessForbidden",
            True,
        )
        keyvault.set_enabled(engine.world, engine.world.require(KEY_ID), enabled=True)
        assert refusal_of(engine.world, DISKS_ID) is None
        missing = refusal_of(engine.world, f"{DISKS_ID}x")
        assert missing is not None
        assert missing.code == "ResourceNotFound"

    def test_stays_while_a_cluster_needs_it(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        FakeFleet().install(monkeypatch)
        furnish(engine)
        engine.create(CLUSTER, cluster())
        with pytest.raises(Refused, match=r"OperationNotAllowed.*in use by .*aks-dev"):
            engine.delete(DISKS, DISKS_ID)
        engine.delete(CLUSTER, clusters.CLUSTER_ID)
        engine.delete(DISKS, DISKS_ID)
        assert engine.world.get(DISKS_ID) is None


class TestFederatedCredential:
    @pytest.fixture(autouse=True)
    def _identity(self, engine: Engine) -> None:
        engine.create("managedidentity:UserAssignedIdentity", declared.identity())

    def test_goes_with_its_identity(self, engine: Engine) -> None:
        id_, outputs = engine.create(CREDENTIAL, credential())
        assert outputs["subject"] == "system:serviceaccount:zep:zep"
        engine.delete("managedidentity:UserAssignedIdentity", IDENTITY_ID)
        assert engine.world.get(id_) is None

    def test_needs_an_identity(self, engine: Engine) -> None:
        with pytest.raises(Refused, match="ParentResourceNotFound"):
            engine.create(CREDENTIAL, credential(resourceName="id-none"))

    def test_trusts_a_subject_once(self, engine: Engine) -> None:
        id_, _ = engine.create(CREDENTIAL, credential())
        engine.update(CREDENTIAL, id_, credential())
        words = "Issuer and subject combination already exists for this Managed Identity"
        with pytest.raises(Refused, match=words):
            engine.create(CREDENTIAL, credential("again"))
        engine.create(CREDENTIAL, credential("upper", subject="ZEP"))

    def test_there_are_twenty_at_most(self, engine: Engine) -> None:
        made: list[Body] = [
            engine.create(CREDENTIAL, credential(f"c{i:02}", subject=f"s{i}"))[1] for i in range(20)
        ]
        assert len(made) == 20
        with pytest.raises(Refused, match="Too many Federated Identity Credentials"):
            engine.create(CREDENTIAL, credential("one-more"))

    def test_one_write_at_a_time(self, engine: Engine) -> None:
        engine.store.claim(IDENTITY_ID, "another write")
        words = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
        with pytest.raises(Refused, match=words):
            engine.create(CREDENTIAL, credential())
