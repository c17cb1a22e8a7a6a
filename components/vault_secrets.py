"""The secrets that pods read from the vault: made here, or put there by the customer.

Each has an alias, which is its file's name in a pod and its key in the Secret that the driver
keeps in step.  What a pod needs in another form than it is kept in (a list of users, a pair) is a
secret of its own, so that no pod has to put one together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pulumi

from components.passwords import Passwords
from components.secret_shelf import Content, VaultSecret, generate
from components.workloads import Workload

ZEP_API_KEY = "zep-api-key"
ZEP_DATABASE_PASSWORD = "zep-database-password"  # noqa: S105 - a secret's name, as below
ZEP_POOLER_USERS = "zep-pooler-users"
MEMORY_DATABASE_PASSWORD = "memory-database-password"  # noqa: S105
MEMORY_API_KEYS = "memory-api-keys"
MEMORY_API_KEY = "memory-api-key"
MEMORY_FIELD_KEYS = "memory-field-keys"
MODEL_API_KEY = "model-api-key"
GRAPH_STORE_PASSWORD = "graph-store-password"  # noqa: S105
GRAPH_STORE_AUTH = "graph-store-auth"
GRAPH_STORE_KEY = "graph-store-key"
GATEWAY_CERTIFICATE = "gateway-certificate"

READ_BY: Mapping[Workload, tuple[str, ...]] = {
    Workload.ZEP: (ZEP_API_KEY, ZEP_DATABASE_PASSWORD, ZEP_POOLER_USERS),
    Workload.MEMORY_SERVICE: (
        *(MEMORY_DATABASE_PASSWORD, MEMORY_API_KEYS, MODEL_API_KEY),
        MEMORY_FIELD_KEYS,
    ),
    Workload.MEMORY_OPERATIONS: (MEMORY_DATABASE_PASSWORD, ZEP_API_KEY),
    Workload.GRAPHITI: (MODEL_API_KEY, GRAPH_STORE_PASSWORD),
    Workload.GRAPH_STORE: (GRAPH_STORE_AUTH, GRAPH_STORE_KEY),
    Workload.GATEWAY: (ZEP_API_KEY, MEMORY_API_KEY, GATEWAY_CERTIFICATE),
}
"""What each workload may read, by alias, as far as the stack has it; nothing else."""
WRITTEN_ONCE = ("properties", "tags")
"""Inputs of a secret that is somebody else's to write, once it is there."""
NO_FIELD_KEYS = '{"format":1,"keys":[]}'
"""The document of field keys before there is any; a job of the stack makes the first ones."""
WRITTEN_BY: Mapping[Workload, tuple[str, ...]] = {
    Workload.MEMORY_OPERATIONS: (MEMORY_FIELD_KEYS,),
}
"""What each may also write, in the vault itself."""
VARIABLES: Mapping[Workload, tuple[str, ...]] = {
    Workload.ZEP: (ZEP_API_KEY, ZEP_DATABASE_PASSWORD),
    Workload.GRAPHITI: (MODEL_API_KEY, GRAPH_STORE_PASSWORD),
}
"""What of it their programs read from variables, and not as files."""


@dataclass(frozen=True, kw_only=True)
class VaultSecretsArgs:
    """What a caller decides."""

    passwords: Passwords
    """Of the database; what is made here is kept beside them."""
    zep_login: str
    memory_login: str
    spare_key_renewed_on: date
    """Of the memory service's second key, which changes apart from the first."""
    certificate: VaultSecret | pulumi.Output[str]
    """The gateway's: the customer's secret, or key and chain of one of ours, in PEM."""
    model_key: VaultSecret | None = None
    """The customer's; with none, a stand-in is made, which the customer replaces."""
    graph_store_password: VaultSecret | None = None
    """The customer's; none where the graph store is ours."""
    graph_store_key: pulumi.Output[str] | None = None
    """Private key of the graph store's certificate, in PEM; where it is ours."""
    tenants: Sequence[str] = ()
    """Each gets a key of the memory service, with which it reaches its own memories alone."""
    field_keys: bool = False
    """Whether fields of memories are encrypted."""
    protected: bool = False
    """Whether the field keys outlive a mistake: without them, what they encrypt is lost."""


class VaultSecrets(pulumi.ComponentResource):
    """Every secret of every workload, each readable by itself."""

    by_alias: dict[str, VaultSecret]

    def __init__(
        self, name: str, args: VaultSecretsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:VaultSecrets", name, {}, opts)
        self._name = name
        self._shelf = args.passwords.shelf
        self.by_alias = {
            **self._of_databases(args),
            **self._of_interfaces(args),
            **self._of_graph_store(args),
            MODEL_API_KEY: args.model_key or self._stand_in_for_the_models(),
            GATEWAY_CERTIFICATE: self._of_gateway(args.certificate),
            **({MEMORY_FIELD_KEYS: self._of_fields(args)} if args.field_keys else {}),
        }
        self.register_outputs({})

    def of(self, workload: Workload) -> dict[str, VaultSecret]:
        """Return what a workload may read, by alias."""
        known = self.by_alias
        return {alias: known[alias] for alias in READ_BY[workload] if alias in known}

    def written_by(self, workload: Workload) -> dict[str, VaultSecret]:
        """Return what a workload may write, by alias."""
        known = self.by_alias
        return {alias: known[alias] for alias in WRITTEN_BY.get(workload, ()) if alias in known}

    def _of_databases(self, args: VaultSecretsArgs) -> dict[str, VaultSecret]:
        login = args.zep_login
        users = args.passwords.by_login[login].apply(lambda known: f'"{login}" "{known}"\n')
        return {
            ZEP_DATABASE_PASSWORD: args.passwords.secrets[login],
            ZEP_POOLER_USERS: self._keep(ZEP_POOLER_USERS, users, "PgBouncer's file of users"),
            MEMORY_DATABASE_PASSWORD: args.passwords.secrets[args.memory_login],
        }

    def _of_interfaces(self, args: VaultSecretsArgs) -> dict[str, VaultSecret]:
        """Return the keys that our own services ask for.

        The memory service takes two: the gateway's, and one to hand out and take back without it.
        Beside them, each tenant has one that is bound to it: the line also names the tenant.
        """
        spare = {"renewed_on": args.spare_key_renewed_on.isoformat()}
        renewed = self._shelf.keepers
        zep = self._generate(ZEP_API_KEY, renewed)
        gateways = self._generate(MEMORY_API_KEY, renewed)
        other = self._generate(f"{MEMORY_API_KEY}-other", spare)
        bound = {tenant: self._generate(_key_of(tenant), spare) for tenant in args.tenants}
        lines = [gateways, other, *(_bound(key, tenant) for tenant, key in bound.items())]
        every = pulumi.Output.all(*lines).apply(lambda keys: "\n".join([*keys, ""]))
        return {
            ZEP_API_KEY: self._keep(ZEP_API_KEY, zep, "API key of Zep"),
            MEMORY_API_KEY: self._keep(MEMORY_API_KEY, gateways, "Gateway's key of the memory"),
            MEMORY_API_KEYS: self._keep(
                MEMORY_API_KEYS, every, "API keys of the memory, one a line"
            ),
            **{
                _key_of(tenant): self._keep(_key_of(tenant), key, f"{tenant}'s key of the memory")
                for tenant, key in bound.items()
            },
        }

    def _of_graph_store(self, args: VaultSecretsArgs) -> dict[str, VaultSecret]:
        if args.graph_store_password is not None:
            return {GRAPH_STORE_PASSWORD: args.graph_store_password}
        if args.graph_store_key is None:
            raise ValueError("a graph store of ours needs the private key of its certificate")
        # Neo4j takes its password with a new disk and never again: no date renews it.
        password = self._generate(GRAPH_STORE_PASSWORD, {})
        pair = password.apply(lambda known: f"neo4j/{known}")
        says = "Password of Neo4j, taken when its disk is new"
        key_says = "Private key of the graph store, PEM"
        return {
            GRAPH_STORE_PASSWORD: self._keep(GRAPH_STORE_PASSWORD, password, says),
            GRAPH_STORE_AUTH: self._keep(GRAPH_STORE_AUTH, pair, "NEO4J_AUTH: user/password"),
            GRAPH_STORE_KEY: self._keep(GRAPH_STORE_KEY, args.graph_store_key, key_says),
        }

    def _stand_in_for_the_models(self) -> VaultSecret:
        """Make room for the customer's key.

        Until `az keyvault secret set` puts it there, a random value stands in for it, which every
        model refuses.  Nothing is ever written over it: any write would bring the first value back.
        """
        first = self._generate(MODEL_API_KEY, {})
        says = "The customer's key of the model; set a new version to replace it"
        return self._keep(MODEL_API_KEY, first, says, ignored=WRITTEN_ONCE)

    def _of_fields(self, args: VaultSecretsArgs) -> VaultSecret:
        """Make room for the field keys, which only a job writes; nothing is ever written over them.

        See ``MemoryOperations``.
        """
        says = "Field keys of the memory, wrapped; JSON"
        content = Content(key=MEMORY_FIELD_KEYS, says=says, ignored=WRITTEN_ONCE)
        opts = pulumi.ResourceOptions(parent=self, protect=args.protected)
        name = f"{self._name}-{MEMORY_FIELD_KEYS}-secret"
        return self._shelf.keep(name, NO_FIELD_KEYS, content, opts)

    def _of_gateway(self, certificate: VaultSecret | pulumi.Output[str]) -> VaultSecret:
        if isinstance(certificate, VaultSecret):
            return certificate
        return self._keep(GATEWAY_CERTIFICATE, certificate, "application/x-pem-file")

    def _generate(self, alias: str, keepers: Mapping[str, str]) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        return generate(f"{self._name}-{alias}-value", keepers, child)

    def _keep(
        self, alias: str, value: pulumi.Input[str], says: str, ignored: tuple[str, ...] = ()
    ) -> VaultSecret:
        content = Content(key=alias, says=says, ignored=ignored)
        child = pulumi.ResourceOptions(parent=self)
        return self._shelf.keep(f"{self._name}-{alias}-secret", value, content, child)


def _key_of(tenant: str) -> str:
    return f"{MEMORY_API_KEY}-{tenant.replace('_', '-')}"


def _bound(key: pulumi.Output[str], tenant: str) -> pulumi.Output[str]:
    return key.apply(lambda known: f"{known} {tenant}")
