"""The servers of one environment, and the schemas in them; the stack's own or the customer's.

Wiring only, like ``platform``.  Zep's database is on the server, always, and so is the memory's;
where nodes share a memory table out, nobody asks the server for its own any more.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pulumi
from pulumi_azure_native import dbforpostgresql as pg

from components.passwords import Passwords
from components.placement import Placement
from components.postgres import PORT, Backup, Encryption, Nodes, Postgres, PostgresArgs
from components.private_endpoint import Entrance
from components.read_replica import ReadReplica, ReadReplicaArgs
from components.vector_schema import VectorSchema, VectorSchemaArgs
from memory.schema.estimate import Machine
from memory.schema.model import DesiredSchema
from stacks import azure_terms, generations
from stacks.memory_terms import desired_schema, tenant_places
from stacks.parts import DatabaseServer, existing_server
from stacks.settings.catalogue import SKUS, Sku
from stacks.settings.model import ManagedPostgres, StackSettings
from stacks.settings.scale_out import NODES_VERSION

ZEP_DATABASE = "zep"
"""Zep's own: it migrates and vacuums all of it."""

_KEPT = pulumi.ResourceOptions(ignore_changes=["desired"])
"""Of the server's memory table when nodes have another: what the file says is of theirs.

Its passwords go on following the file, so that a refresh gets in.
"""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What stands before a server of ours."""

    placement: Placement
    suffix: pulumi.Input[str]
    entrance: Entrance
    workspace_id: pulumi.Input[str]
    action_group_id: pulumi.Input[str]
    encryption: Encryption
    geo_encryption: Encryption | None


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What all servers and schemas of a stack have in common."""

    settings: StackSettings
    name: str
    desired: DesiredSchema
    zep_desired: DesiredSchema
    passwords: Passwords
    site: Site | None
    """None where the server is the customer's."""
    existing_admin_password: pulumi.Output[str] | None


class Databases:
    """The server, what stands beside it, and the schemas."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._settings = ground.settings
        postgres = ground.settings.postgres
        self.replicas: dict[str, ReadReplica] = {}
        """By the names that the settings give them."""
        name, nodes = ground.name, None
        if isinstance(postgres, ManagedPostgres):
            name = generations.present(ground.name, postgres)
            args = self._postgres_args(postgres)
            made = Postgres(name, args)
            self.server = self._reference(made, postgres.size, postgres.version)
            self.replicas.update(self._read_replicas(name, postgres, args, made))
            nodes = self._nodes(postgres, args)
            self._keep_former(postgres, args)
        else:
            self.server = existing_server(postgres, ground.existing_admin_password)
        self.zep_schema = self._zep_schema(name, self.server)
        self.memory_server = nodes or self.server
        if nodes is None:
            self.schema = self._memory_schema(name, self.server)
        else:
            self.schema = self._schema_on_nodes(nodes)
            self._memory_schema(name, self.server, _KEPT)
        self.tenants = dict(self._tenants(name, self.server, self.schema))
        """Schemas of those who have tables of their own, by their names."""

    @property
    def memory_ready(self) -> VectorSchema:
        """The last of the memory's schemas, which are made one after another."""
        return [self.schema, *self.tenants.values()][-1]

    @property
    def _site(self) -> Site:
        if self._ground.site is None:
            raise AssertionError("a server of ours has a place to stand")
        return self._ground.site

    def _admin_password(self, postgres: ManagedPostgres) -> pulumi.Output[str]:
        return self._ground.passwords.by_login[postgres.admin_login]

    def _postgres_args(self, postgres: ManagedPostgres) -> PostgresArgs:
        settings, site, restore = self._settings, self._site, postgres.restore_from
        return PostgresArgs(
            placement=site.placement,
            tenant_id=settings.azure.tenant_id,
            suffix=site.suffix,
            version=pg.PostgresMajorVersion(str(postgres.version)),
            sku=azure_terms.sku(postgres),
            storage=azure_terms.storage(postgres),
            auto_grow=postgres.storage.auto_grow,
            backup=azure_terms.backup(postgres),
            high_availability=azure_terms.high_availability(postgres),
            availability_zone=postgres.high_availability.zone,
            maintenance=azure_terms.maintenance(postgres),
            admin_login=postgres.admin_login,
            admin_password=self._admin_password(postgres),
            entra_admin=azure_terms.entra_admin(postgres),
            encryption=site.encryption,
            geo_encryption=site.geo_encryption,
            parameters=azure_terms.parameters(settings, postgres),
            databases=(
                ZEP_DATABASE,
                settings.memory.database,
                *settings.memory.isolation.databases(settings.memory.database),
            ),
            entrance=site.entrance,
            workspace_id=site.workspace_id,
            action_group_id=site.action_group_id,
            user_connections=postgres.size.user_connections,
            protected=settings.protected,
            restore=(
                Backup(server_id=restore.server_id, point_in_time=restore.utc) if restore else None
            ),
        )

    def _reference(self, made: Postgres, size: Sku, version: int) -> DatabaseServer:
        postgres = self._settings.postgres
        if not isinstance(postgres, ManagedPostgres):
            raise AssertionError("a server of ours has settings of ours")
        return DatabaseServer(
            id=made.server_id,
            name=made.name,
            fqdn=made.fqdn,
            port=PORT,
            ca_file=None,
            admin_login=postgres.admin_login,
            admin_password=self._admin_password(postgres),
            version=version,
            sku=size.name,
            machine=Machine(vcores=size.vcores, memory_gib=size.memory_gib),
            ready=[made.ready, *self._site.entrance.links],
            resource=made.resource,
        )

    def _read_replicas(
        self, name: str, postgres: ManagedPostgres, args: PostgresArgs, source: Postgres
    ) -> Iterator[tuple[str, ReadReplica]]:
        """Yield the replicas, made one at a time: a server is busy while it is copied.

        Each is named after the server that it follows: one of another server is another replica,
        with another endpoint.
        """
        after = source.ready
        for replica in postgres.read_replicas:
            made = ReadReplica(
                f"{name}-{replica.name}",
                ReadReplicaArgs(
                    placement=args.placement,
                    tenant_id=args.tenant_id,
                    suffix=args.suffix,
                    source_id=source.server_id,
                    source_ready=after,
                    sku=azure_terms.replica_sku(postgres, replica),
                    storage=azure_terms.replica_storage(postgres, replica),
                    auto_grow=args.auto_grow,
                    availability_zone=replica.zone or args.availability_zone,
                    maintenance=args.maintenance,
                    encryption=args.encryption,
                    parameters=args.parameters,
                    entrance=args.entrance,
                    workspace_id=args.workspace_id,
                    action_group_id=args.action_group_id,
                    user_connections=SKUS[replica.sku or postgres.sku].user_connections,
                ),
            )
            after = made.ready
            yield replica.name, made

    def _nodes(self, postgres: ManagedPostgres, args: PostgresArgs) -> DatabaseServer | None:
        cluster = postgres.elastic_cluster
        if cluster is None:
            return None
        made = Postgres(
            self._nodes_name,
            replace(
                args,
                version=pg.PostgresMajorVersion(str(NODES_VERSION)),
                sku=azure_terms.node_sku(cluster),
                user_connections=cluster.size.user_connections,
                storage=azure_terms.node_storage(cluster),
                auto_grow=False,
                backup=azure_terms.node_backup(postgres),
                high_availability=azure_terms.no_standby(),
                geo_encryption=None,
                nodes=Nodes(count=cluster.nodes, database=self._settings.memory.database),
                databases=(),
                restore=None,
            ),
        )
        return self._reference(made, cluster.size, NODES_VERSION)

    def _keep_former(self, postgres: ManagedPostgres, args: PostgresArgs) -> None:
        """Keep the generation before, with its schemas, as it is: nothing of it is changed."""
        former = generations.former(self._ground.name, postgres)
        if former is None:
            return
        restore = args.restore if generations.was_restored(postgres) else None
        made = Postgres(former, replace(args, restore=restore), generations.untouched())
        server = self._reference(made, postgres.size, postgres.version)
        untouched = generations.untouched()
        self._zep_schema(former, server, untouched)
        shared = self._memory_schema(former, server, untouched)
        dict(self._tenants(former, server, shared, untouched))

    def _memory_schema(
        self, name: str, server: DatabaseServer, opts: pulumi.ResourceOptions | None = None
    ) -> VectorSchema:
        memory = self._settings.memory
        return self._schema(name, server, memory.database, desired_schema(memory), opts)

    def _tenants(
        self,
        name: str,
        server: DatabaseServer,
        after: VectorSchema,
        opts: pulumi.ResourceOptions | None = None,
    ) -> Iterator[tuple[str, VectorSchema]]:
        """Yield the schemas of tenants, made one at a time: their logins are the same."""
        for place in tenant_places(self._settings.memory):
            waits = pulumi.ResourceOptions(depends_on=[after])
            after = self._schema(
                f"{name}-tenant-{place.tenant}",
                server,
                place.database,
                place.desired,
                pulumi.ResourceOptions.merge(waits, opts),
            )
            yield place.tenant, after

    @property
    def _nodes_name(self) -> str:
        """Of the nodes and of what is on them: no generation, as no backup is of them."""
        return f"{self._ground.name}-nodes"

    def _schema_on_nodes(self, nodes: DatabaseServer) -> VectorSchema:
        """Declare the memory table anew, under a name of its own: rows do not come by themselves.

        Under the server's name it would be a change of the server's table.
        """
        database = self._settings.memory.database
        return self._schema(self._nodes_name, nodes, database, self._ground.desired)

    def _zep_schema(
        self, name: str, server: DatabaseServer, opts: pulumi.ResourceOptions | None = None
    ) -> VectorSchema:
        return self._schema(f"{name}-zep", server, ZEP_DATABASE, self._ground.zep_desired, opts)

    def _schema(
        self,
        name: str,
        server: DatabaseServer,
        database: str,
        desired: DesiredSchema,
        opts: pulumi.ResourceOptions | None = None,
    ) -> VectorSchema:
        passwords = self._ground.passwords.by_login
        return VectorSchema(
            name,
            VectorSchemaArgs(
                host=server.fqdn,
                database=database,
                admin_login=server.admin_login,
                admin_password=server.admin_password,
                role_passwords={role.purpose: passwords[role.name] for role in desired.roles},
                desired=desired,
                port=server.port,
                ca_file=server.ca_file,
                machine=server.machine,
            ),
            pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions(
                    depends_on=server.ready,
                    replace_with=[server.resource] if server.resource else None,
                    protect=self._settings.protected,
                ),
                opts,
            ),
        )
