"""What stands behind a cluster, and what Azure refuses of it in the light of everything else."""

import errno
import re
import subprocess
from typing import Any

import pytest

from local.cloud.arm import UNKNOWN, Body
from local.cloud.cluster.errors import ClusterError
from local.cloud.postgres.errors import PostgresError
from local.cloud.protocol import provider_pb2
from local.cloud.wire import decode, encode
from tests.local.cloud import clusters, declared
from tests.local.cloud.clusters import (
    CLUSTER,
    CLUSTER_ID,
    CLUSTER_IDENTITY,
    DISKS_ID,
    GRANT,
    NODE_GROUP,
    NODES_ID,
    POOL,
    FakeFleet,
    Ground,
    cluster,
    enable_key,
    furnish,
    grant,
    network,
    pool,
    system,
)
from tests.local.cloud.conftest import GROUP, SUBSCRIPTION, Engine, Refused
from tests.local.cloud.declared import NETWORK_ID, VAULT_ID


def pool_named(name: str, **more: object) -> Body:
    """The added pool as the cluster's own body would name it."""
    own = {k: v for k, v in pool().items() if k not in {"resourceGroupName", "resourceName"}}
    del own["agentPoolName"], own["nodeTaints"]
    return {**own, "name": name, **more}


class TestCreation:
    def test_asks_the_fleet_for_what_was_declared(self, made: Body, fleet: FakeFleet) -> None:
        (spec,) = fleet.specs.values()
        assert (spec.kubernetes_version, spec.region) == ("1.36", "westeurope")
        assert spec.addons == {"azureKeyvaultSecretsProvider"}
        assert spec.disk_encryption_set_id == DISKS_ID
        assert (spec.pod_cidr, spec.service_cidr) == ("10.244.0.0/16", "10.0.0.0/16")
        (only,) = spec.pools
        assert (only.name, only.mode, only.count) == ("system", "System", 2)
        assert (only.zones, only.max_pods) == (("1", "2"), 110)

    def test_answers_what_programs_read(self, made: Body) -> None:
        assert made["fqdn"].startswith("engram-")
        assert made["fqdn"].endswith(".hcp.westeurope.azmk8s.io")
        assert made["currentKubernetesVersion"] == "1.36.3"
        assert made["oidcIssuerProfile"]["issuerURL"].startswith("https://westeurope.oic.")
        assert made["powerState"] == {"code": "Running"}
        assert made["nodeResourceGroup"] == "MC_rg_aks-dev_westeurope"

    def test_turns_the_list_of_identities_into_a_map(self, engine: Engine, made: Body) -> None:
        known = engine.world.require(CLUSTER_IDENTITY).outputs
        ids = {key: known[key] for key in ("clientId", "principalId")}
        assert made["identity"]["userAssignedIdentities"] == {CLUSTER_IDENTITY: ids}

    def test_makes_the_nodes_group_and_its_identities(self, engine: Engine, made: Body) -> None:
        assert engine.world.require(NODE_GROUP).outputs["managedBy"] == CLUSTER_ID
        kubelet = made["identityProfile"]["kubeletidentity"]
        secrets = made["addonProfiles"]["azureKeyvaultSecretsProvider"]["identity"]
        for answered in (kubelet, secrets):
            identity = engine.world.require(answered["resourceId"])
            assert identity.arm_id.startswith(f"{NODE_GROUP}/")
            assert identity.outputs["principalId"] == answered["objectId"]
            grant(engine, answered["objectId"], VAULT_ID, clusters.READER)

    def test_nodes_may_be_let_into_a_registry_of_another_subscription(
        self, engine: Engine, made: Body
    ) -> None:
        kubelet = made["identityProfile"]["kubeletidentity"]["objectId"]
        scope = (
            "/subscriptions/11111111-0000-0000-0000-000000000001/resourceGroups/images"
            "/providers/Microsoft.ContainerRegistry/registries/contoso"
        )
        made_id = grant(engine, kubelet, scope, "7f951dda-4ed3-4680-a7ca-43fe172d538d")
        assert made_id.startswith(f"{scope}/providers/Microsoft.Authorization/")

    def test_never_answers_the_kubeconfig(self, engine: Engine, made: Body) -> None:
        standing = engine.world.require(CLUSTER_ID)
        assert clusters.KUBECONFIG not in str((made, standing.outputs, standing.inputs))

    @pytest.mark.parametrize(
        "failure",
        [
            ClusterError("kube-apiserver does not start"),
            OSError(errno.ENOSPC, "No space left on device"),
            subprocess.CalledProcessError(2, "sh"),
            PostgresError("this machine has no account without rights"),
        ],
    )
    def test_that_fails_below_is_done_again(
        self, engine: Engine, ground: Ground, fleet: FakeFleet, failure: Exception
    ) -> None:
        fleet.failure = failure
        with pytest.raises(Refused, match=f"InternalOperationError.*{re.escape(str(failure))}"):
            engine.create(CLUSTER, cluster())
        assert engine.world.get(CLUSTER_ID) is None
        fleet.failure = None
        assert engine.create(CLUSTER, cluster())[0] == CLUSTER_ID

    def test_a_read_is_stable(self, engine: Engine, ground: Ground) -> None:
        asked = decode(engine.check(CLUSTER, cluster()).inputs)[0]
        id_, outputs = engine.create(CLUSTER, cluster())
        read = engine.read(CLUSTER, id_, properties=encode(outputs), inputs=encode(asked))
        assert decode(read.properties)[0] == outputs
        assert decode(read.inputs)[0] == asked

    def test_what_a_refresh_finds_can_be_asked_for(self, engine: Engine, ground: Ground) -> None:
        asked = decode(engine.check(CLUSTER, cluster()).inputs)[0]
        id_, outputs = engine.create(CLUSTER, cluster())
        engine.create(POOL, pool())
        read = engine.read(CLUSTER, id_, properties=encode(outputs), inputs=encode(asked))
        found = decode(read.inputs)[0]
        assert [known["name"] for known in found["agentPoolProfiles"]] == ["system", "memory"]
        assert list(engine.check(CLUSTER, found).failures) == []

    @pytest.mark.parametrize(
        ("token", "inputs"), [(CLUSTER, cluster()), (clusters.DISKS, clusters.disks("https://x"))]
    )
    def test_a_preview_does_not_show_the_list_where_a_map_will_be(
        self, engine: Engine, token: str, inputs: Body
    ) -> None:
        request = provider_pb2.CreateRequest(
            urn=engine.urn(token, "it"), properties=encode(inputs), preview=True
        )
        outputs = decode(engine.call("Create", request).properties)[0]
        assert outputs["identity"]["userAssignedIdentities"] == UNKNOWN
        for addon in outputs.get("addonProfiles", {}).values():
            assert addon == {"enabled": True, "identity": UNKNOWN}


OTHER_GROUP = f"{NODES_ID}s"
SMALL_SUBNET = declared.subnet("small", "10.20.9.0/29")
REFUSED: list[tuple[str, Body, str]] = [
    (
        "no identity",
        cluster(identity={"type": "UserAssigned", "userAssignedIdentities": [GROUP]}),
        "InvalidIdentity",
    ),
    ("no subnet", cluster(system(vnetSubnetID=OTHER_GROUP)), "InvalidResourceReference"),
    (
        "a delegated subnet",
        cluster(system(vnetSubnetID=f"{NETWORK_ID}/subnets/delegated")),
        "SubnetIsDelegated.*cannot be used as it's a delegated subnet",
    ),
    (
        "a small subnet",
        cluster(system(vnetSubnetID=f"{NETWORK_ID}/subnets/small", count=3)),
        "Pre-allocated IPs 4 exceeds IPs available 3 in Subnet Cidr 10.20.9.0/29",
    ),
    (
        "a small subnet without overlay",
        cluster(networkProfile=network(networkPluginMode=None)),
        r"Pre-allocated IPs 333 exceeds IPs available 251",
    ),
    (
        "services in the network",
        cluster(networkProfile=network(serviceCidr="10.20.0.0/16", dnsServiceIP="10.20.0.10")),
        "ServiceCidrOverlapExistingSubnetsCidr.*service CIDR 10.20.0.0/16 is conflicted with an"
        " existing subnet CIDR 10.20",
    ),
    (
        "pods in the network",
        cluster(networkProfile=network(podCidr="10.20.0.0/16")),
        "PodCidrOverlapExistingSubnetsCidr",
    ),
    (
        "too few addresses for pods",
        cluster(networkProfile=network(podCidr="10.244.0.0/23")),
        "Pre-allocated IPs 768 exceeds IPs available 512.*networkProfile.podCIDR",
    ),
    ("no disk set", cluster(diskEncryptionSetID=VAULT_ID), "DiskEncryptionSetError.*not found"),
    ("disks elsewhere", cluster(location="northeurope"), "DiskEncryptionSetError.*region"),
    (
        "the group of the cluster",
        cluster(nodeResourceGroup="rg"),
        "NodeResourceGroupSameAsResourceGroup",
    ),
    ("a group that stands", cluster(nodeResourceGroup="taken"), "NodeResourceGroupAlreadyExists"),
    (
        "a kubelet identity that is not ours to assign",
        cluster(
            identityProfile={"kubeletidentity": {"resourceId": f"{clusters.IDENTITIES}/id-cmk"}}
        ),
        "CustomKubeletIdentityMissingPermissionError.*'Managed Identity Operator' role",
    ),
]


@pytest.mark.parametrize(("inputs", "words"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refuses(engine: Engine, fleet: FakeFleet, inputs: Body, words: str) -> None:
    furnish(engine)
    engine.create("resources:ResourceGroup", {"resourceGroupName": "taken"})
    engine.create("network:Subnet", SMALL_SUBNET)
    delegation = {"name": "d", "serviceName": "Microsoft.ContainerService/managedClusters"}
    engine.create(
        "network:Subnet", declared.subnet("delegated", "10.20.10.0/24", delegations=[delegation])
    )
    before = len(engine.world.children(f"/subscriptions/{SUBSCRIPTION}"))
    asked: Any = {k: v for k, v in inputs.items() if v is not None}
    asked["networkProfile"] = {k: v for k, v in asked["networkProfile"].items() if v is not None}
    with pytest.raises(Refused, match=words):
        engine.create(CLUSTER, asked)
    assert len(engine.world.children(f"/subscriptions/{SUBSCRIPTION}")) == before
    assert fleet.specs == {}


class TestGrants:
    @pytest.mark.parametrize(
        ("which", "action"),
        [
            ("subnet_grant", "virtualNetworks/subnets/join/action"),
            ("disks_grant", "diskEncryptionSets/read"),
        ],
    )
    def test_the_identity_may_join_the_subnet_and_read_the_disk_set(
        self, engine: Engine, ground: Ground, which: str, action: str
    ) -> None:
        engine.delete(GRANT, getattr(ground, which))
        with pytest.raises(Refused, match=f"LinkedAuthorizationFailed.*{action}"):
            engine.create(CLUSTER, cluster())

    @pytest.mark.parametrize("how", ["revoked", "disabled"])
    def test_nodes_need_the_key(self, engine: Engine, ground: Ground, how: str) -> None:
        if how == "revoked":
            engine.delete(GRANT, ground.key_grant)
        else:
            enable_key(engine, enabled=False)
        words = "CreateVMSSAgentPoolFailed.*KeyVaultAccessForbidden.*encryption set 'des-dev'"
        with pytest.raises(Refused, match=words):
            engine.create(CLUSTER, cluster())

    def test_an_operator_may_assign_a_kubelet_identity(
        self, engine: Engine, ground: Ground
    ) -> None:
        own = f"{clusters.IDENTITIES}/id-cmk"
        principal = engine.world.require(CLUSTER_IDENTITY).outputs["principalId"]
        grant(engine, principal, own, "f1a07417-d97a-45cb-824c-7a7467783830")
        asked = cluster(identityProfile={"kubeletidentity": {"resourceId": own}})
        _, outputs = engine.create(CLUSTER, asked)
        assert outputs["identityProfile"]["kubeletidentity"]["resourceId"] == own


class TestChange:
    def test_grows_a_pool(self, engine: Engine, made: Body, fleet: FakeFleet) -> None:
        engine.update(CLUSTER, CLUSTER_ID, cluster(system(count=3)))
        assert fleet.nodes() == {"system": 3}

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            (
                {"oidcIssuerProfile": {"enabled": False}, "securityProfile": {}},
                "OIDCIssuerFeatureCannotBeDisabled.*OIDC issuer feature cannot be disabled",
            ),
            (cluster(system(enableEncryptionAtHost=True)), "'properties.enableEncryptionAtHost'"),
            (cluster(system(vmSize="Standard_D8ds_v5")), "Changing property 'properties.vmSize'"),
            (cluster(system(availabilityZones=["3"])), "'properties.availabilityZones'"),
        ],
    )
    def test_some_things_are_for_life(
        self, engine: Engine, made: Body, changed: Body, words: str
    ) -> None:
        with pytest.raises(Refused, match=words):
            engine.update(CLUSTER, CLUSTER_ID, {**cluster(), **changed})

    @pytest.mark.parametrize(
        "pools",
        [
            [system()],
            [system(orchestratorVersion="1.36"), pool_named("memory", orchestratorVersion="1.36")],
            [
                system(orchestratorVersion="1.36.3"),
                pool_named("memory", orchestratorVersion="1.36"),
            ],
        ],
    )
    def test_a_tag_is_taken_where_all_pools_name_their_version_or_none(
        self, engine: Engine, made: Body, pools: list[Body]
    ) -> None:
        engine.create(POOL, pool(orchestratorVersion="1.36", nodeTaints=None))
        tagged = engine.update(CLUSTER, CLUSTER_ID, cluster(*pools, tags={"owner": "us"}))
        assert tagged["tags"] == {"owner": "us"}

    @pytest.mark.parametrize(
        "pools",
        [
            [system(orchestratorVersion="1.36")],
            [system(orchestratorVersion="1.36"), pool_named("memory")],
            [
                system(orchestratorVersion="1.36.2"),
                pool_named("memory", orchestratorVersion="1.36"),
            ],
        ],
        ids=["an added pool is left out", "one names none", "one moves by itself"],
    )
    def test_a_tag_is_refused_where_some_pools_name_their_version(
        self, engine: Engine, made: Body, pools: list[Body]
    ) -> None:
        engine.create(POOL, pool(orchestratorVersion="1.36", nodeTaints=None))
        words = (
            "NotAllAgentPoolOrchestratorVersionSpecifiedAndUnchanged.*must be all specified or all"
            " unspecified"
        )
        with pytest.raises(Refused, match=words):
            engine.update(CLUSTER, CLUSTER_ID, cluster(*pools, tags={"owner": "us"}))

    @pytest.mark.parametrize(
        ("changed", "path"),
        [
            ({"diskEncryptionSetID": VAULT_ID}, "diskEncryptionSetID"),
            ({"dnsPrefix": "other"}, "dnsPrefix"),
            ({"nodeResourceGroup": "nodes"}, "nodeResourceGroup"),
            ({"networkProfile": network(podCidr="10.245.0.0/16")}, "networkProfile.podCidr"),
        ],
    )
    def test_some_replace_it(self, engine: Engine, changed: Body, path: str) -> None:
        request = provider_pb2.DiffRequest(
            urn=engine.urn(CLUSTER, "it"),
            old_inputs=encode(cluster()),
            news=encode({**cluster(), **changed}),
        )
        assert list(engine.call("Diff", request).replaces) == [path]

    def test_an_addon_that_goes_on_gets_an_identity_and_the_others_keep_theirs(
        self, engine: Engine, made: Body, fleet: FakeFleet
    ) -> None:
        addons = {**cluster()["addonProfiles"], "azurepolicy": {"enabled": True}}
        now = engine.update(CLUSTER, CLUSTER_ID, cluster(addonProfiles=addons))["addonProfiles"]
        kept = "azureKeyvaultSecretsProvider"
        assert now[kept]["identity"] == made["addonProfiles"][kept]["identity"]
        assert now["azurepolicy"]["identity"]["objectId"]
        assert fleet.specs[CLUSTER_ID].addons == {kept, "azurepolicy"}

    def test_deletion_takes_nodes_and_their_group_along(
        self, engine: Engine, made: Body, fleet: FakeFleet
    ) -> None:
        engine.create(POOL, pool())
        engine.delete(CLUSTER, CLUSTER_ID)
        assert fleet.specs == {}
        assert engine.world.get(NODE_GROUP) is None
        assert engine.world.children(NODE_GROUP) == engine.world.children(CLUSTER_ID) == []
        assert engine.create(CLUSTER, cluster())[0] == CLUSTER_ID

    def test_a_group_goes_with_its_cluster(self, engine: Engine, made: Body) -> None:
        engine.delete("resources:ResourceGroup", GROUP)
        assert engine.world.children(f"/subscriptions/{SUBSCRIPTION}") == []

    def test_one_write_at_a_time(self, engine: Engine, made: Body) -> None:
        engine.store.claim(CLUSTER_ID, "another write")
        with pytest.raises(Refused, match=r"OperationNotAllowed.*is in progress, please"):
            engine.create(POOL, pool())

    @pytest.mark.parametrize("added", [False, True])
    def test_the_subnet_of_nodes_is_in_use(
        self, engine: Engine, ground: Ground, added: bool
    ) -> None:
        engine.create("network:Subnet", declared.subnet("more", "10.20.11.0/24"))
        more = f"{NETWORK_ID}/subnets/more"
        principal = engine.world.require(CLUSTER_IDENTITY).outputs["principalId"]
        grant(engine, principal, more, clusters.NETWORK_CONTRIBUTOR)
        engine.create(CLUSTER, cluster())
        if added:
            engine.create(POOL, pool(vnetSubnetID=more))
        with pytest.raises(Refused, match="InUseSubnetCannotBeDeleted"):
            engine.delete("network:Subnet", more if added else NODES_ID)
