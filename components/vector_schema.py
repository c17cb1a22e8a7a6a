"""The schema of one database, the memory's or Zep's, as a resource of the stack.

Pulumi keeps a dynamic provider in the state as a pickle: a class of an importable module as its
name.  This is such a module, so an edit here makes no diff; what must cause another run is an
input.  ``check`` adds two inputs that the program does not give: ``state``, the catalog as it will
be, and ``plan``, the SQL that leads there from what the stack last knew.  Both are computed
offline, which is why a preview shows the DDL of a first ``up``, of a change and of a repair.
The output ``sizes``, as of the last run or refresh, tells ``diff`` and a pull request what a
change would touch.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import pulumi
from pulumi import dynamic
from pulumi.runtime.rpc import UNKNOWN
from pydantic import ValidationError
from typing_extensions import override

from memory.schema import offline, runner
from memory.schema.catalog import Catalog, to_plain
from memory.schema.connection import Endpoint
from memory.schema.errors import DatabaseMissing, PlanRefused, SchemaError
from memory.schema.estimate import UNKNOWN_MACHINE, Machine
from memory.schema.model import DesiredSchema, Purpose, mistakes
from memory.schema.passwords import Passwords
from memory.schema.plan import empty_catalog, plan
from memory.schema.render import statements
from memory.schema.steps import Plan
from memory.schema.target import expected, managed

Props = dict[str, Any]

COMPARED = (
    "host",
    "database",
    "admin_login",
    "admin_password",
    "role_passwords",
    "port",
    "ca_file",
    "desired",
    "state",
    "delete_data",
)
"""What makes an update when it differs; ``plan`` follows from them."""
PLACE = ("host", "database")
"""Another server or database is another resource."""


class VectorSchemaProvider(dynamic.ResourceProvider):
    """Keeps one database at its wanted schema; holds nothing itself."""

    serialize_as_secret_always = False  # pickled as a name; the secrets are inputs

    @override
    def check(self, _olds: Props, news: Props) -> dynamic.CheckResult:
        """Validate, and plan offline: what no data could bear is refused in the preview already.

        The inputs do not say whether a table is empty; what only an empty one can bear is left to
        ``diff``, which knows the outputs.
        """
        if wrong := list(_input_mistakes(news)):
            return _refused(news, wrong)
        desired, known = _desired(news), _believed(_olds, news)
        try:
            steps = _plan_of_any_size(known, desired).steps
        except PlanRefused as refusal:
            return _refused(news, refusal.reasons)
        derived = {"state": to_plain(expected(desired)), "plan": _entitled(statements(steps))}
        return dynamic.CheckResult({**news, **derived}, [])

    @override
    def diff(self, _id: str, _olds: Props, _news: Props) -> dynamic.DiffResult:
        """Compare with the state alone; no database needs to be in reach.

        An unknown place is an update, not a replacement: while the server itself is only updated,
        a preview does not know its outputs.  Raises PlanRefused for what rows stand in the way of.
        """
        differing = [key for key in COMPARED if _olds.get(key) != _news.get(key)]
        moved = [key for key in PLACE if key in differing and _news.get(key) != UNKNOWN]
        if differing and not moved:
            with _briefly():
                _refuse_what_rows_forbid(_believed(_olds, _news), _desired(_news))
        return dynamic.DiffResult(changes=bool(differing), replaces=moved)

    @override
    def create(self, props: Props) -> dynamic.CreateResult:
        """Adopt what exists, and add what is missing."""
        with _briefly():
            return dynamic.CreateResult(f"{props['host']}/{props['database']}", _apply(props))

    @override
    def update(self, _id: str, _olds: Props, _news: Props) -> dynamic.UpdateResult:
        """Repair a drift, or follow a change; the live catalog decides which."""
        with _briefly():
            return dynamic.UpdateResult(_apply(_news))

    @override
    def read(self, id_: str, props: Props) -> dynamic.ReadResult:
        """Read the live catalog, so that a refresh shows what was changed by hand."""
        desired = _desired(props)
        with _briefly():
            try:
                catalog = runner.inspect(_endpoint(props), desired, _passwords(props))
            except DatabaseMissing:
                return dynamic.ReadResult("", {})
        outputs = _outputs(props, desired, catalog, notes=_notes(catalog, desired))
        if outputs["state"] == props.get("state"):
            return dynamic.ReadResult(id_, outputs)
        # New inputs, so that the next preview plans from the drift and shows it.
        inputs = {key: outputs[key] for key in COMPARED if key in outputs}
        return dynamic.ReadResult(id_, outputs, {**inputs, "plan": {}})

    @override
    def delete(self, _id: str, _props: Props) -> None:
        """Leave the data, unless ``delete_data`` says otherwise."""
        if _props.get("delete_data"):
            with _briefly():
                runner.remove(_endpoint(_props), _desired(_props), report=_say)


@dataclass(frozen=True, kw_only=True)
class VectorSchemaArgs:
    """What a caller decides."""

    host: pulumi.Input[str]
    """The server's FQDN; derive it from the server's name, so that a preview knows it."""
    database: pulumi.Input[str]
    admin_login: pulumi.Input[str]
    admin_password: pulumi.Input[str]
    role_passwords: Mapping[Purpose, pulumi.Input[str]]
    """One for each purpose of ``desired.roles``: a login that is renamed keeps its password."""
    desired: DesiredSchema
    port: int = 5432
    ca_file: str | None = None
    """Of a server whose authority the machine does not know; ``PGSSLROOTCERT`` wins over it."""
    machine: Machine = UNKNOWN_MACHINE
    """The server's size: how many processes and how much memory an index build may take."""
    delete_data: bool = False
    """Drop tables, schema and roles with the resource; the default leaves them."""


class VectorSchema(dynamic.Resource, module="memory", name="VectorSchema"):
    """A database at its wanted schema, proven by reading the catalog after the last change.

    When the server may be replaced under the same name, pass ``replace_with=[server]``.
    """

    table: pulumi.Output[str]
    """Qualified name of the memory table; this and what is about its index are empty for a schema
    whose tables another program makes."""
    index_name: pulumi.Output[str]
    index_method: pulumi.Output[str]
    """``hnsw`` or ``ivfflat``."""
    dimensions: pulumi.Output[int]
    roles: pulumi.Output[dict[str, str]]
    """Names of the PostgreSQL roles by purpose."""
    extension_version: pulumi.Output[str]
    unexpected: pulumi.Output[list[str]]
    """What was found that nobody declared, or that only the server's owner can change."""
    state: pulumi.Output[dict[str, Any]]
    """The managed part of the catalog, as last read."""
    sizes: pulumi.Output[offline.Sizes]
    """How large the tables were then, to one digit."""

    def __init__(
        self,
        name: str,
        args: VectorSchemaArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = pulumi.Output.secret
        inputs = {
            "host": args.host,
            "database": args.database,
            "admin_login": args.admin_login,
            "admin_password": secret(args.admin_password),
            "role_passwords": {key: secret(value) for key, value in args.role_passwords.items()},
            "port": args.port,
            "ca_file": args.ca_file,
            "desired": args.desired.model_dump(mode="json", exclude_none=True),
            "machine": asdict(args.machine),
            "delete_data": args.delete_data,
        }
        outputs = dict.fromkeys(self.__annotations__)
        # The names say what is secret; the marks hold even where an engine forgets one.
        marked = pulumi.ResourceOptions(
            additional_secret_outputs=["admin_password", "role_passwords"]
        )
        merged = pulumi.ResourceOptions.merge(opts, marked)
        super().__init__(VectorSchemaProvider(), name, {**inputs, **outputs}, merged)


def _entitled(sql: list[str]) -> dict[str, list[str]]:
    """The plan under a title of its own.

    The engine compares it with the last run's plan, item by item; two titles make it show one
    block that goes and one that comes.
    """
    digest = hashlib.sha256("\n".join(sql).encode()).hexdigest()
    return {f"plan {digest[:6]}": sql} if sql else {}


@contextmanager
def _briefly() -> Iterator[None]:
    """Let an expected error reach the operator as its text.

    Pulumi prints the traceback of whatever a provider raises; the one line that says what to do
    would be the last of forty.  An unexpected error keeps its traceback.
    """
    try:
        yield
    except SchemaError as error:
        sys.tracebacklimit = 0
        raise error from None


def _refused(news: Props, reasons: Iterable[str]) -> dynamic.CheckResult:
    """Failures that name no property: of a named one the engine prints the value."""
    return dynamic.CheckResult(news, [dynamic.CheckFailure("", reason) for reason in reasons])


def _input_mistakes(news: Props) -> Iterator[str]:
    """Every mistake in one line; what is not known yet is not judged."""
    purposes: list[str] = []
    try:
        purposes += (role.purpose for role in _desired(news).roles)
    except ValidationError as error:
        yield from (f"desired: {text}" for text in mistakes(error))
    for key in ("host", "database", "admin_login", "admin_password"):
        if not news.get(key):
            yield f"{key}: is empty; it is needed to connect"
    if purposes and news.get("role_passwords") != UNKNOWN:
        yield from _password_mistakes(news.get("role_passwords"), purposes)


def _password_mistakes(passwords: object, purposes: list[str]) -> Iterator[str]:
    given, allowed = passwords if isinstance(passwords, dict) else {}, ", ".join(purposes)
    for purpose in purposes:
        if not given.get(purpose):
            yield f"role_passwords: {purpose} is missing; give one each for {allowed}"
    for stranger in sorted(set(given) - set(purposes)):
        yield f"role_passwords: {stranger} is no purpose of this schema; allowed are {allowed}"


def _refuse_what_rows_forbid(known: Catalog, desired: DesiredSchema) -> None:
    """Raise PlanRefused, and say that the database may have gone ahead of the state."""
    try:
        plan(known, desired)
    except PlanRefused as refusal:
        hint = "if that has been done already, the stack does not know it: pulumi refresh"
        raise PlanRefused([*refusal.reasons, hint]) from None


def _plan_of_any_size(known: Catalog, desired: DesiredSchema) -> Plan:
    """Plan for tables with rows; where that is refused, for empty ones."""
    try:
        return plan(known, desired)
    except PlanRefused:
        empty = {name: replace(table, empty=True) for name, table in known.tables.items()}
        try:
            return plan(replace(known, tables=empty), desired)
        except PlanRefused:
            pass
        raise


def _believed(olds: Props, news: Props) -> Catalog:
    """The catalog as the stack last knew it; an empty database before the first ``up``."""
    label = news["desired"]["schema_name"]
    name = label if news["database"] == UNKNOWN else news["database"]
    moved = any(olds.get(key) != news[key] and news[key] != UNKNOWN for key in PLACE)
    if "state" not in olds or moved:
        return empty_catalog(name)
    known = offline.last_known({**olds, "database": name})
    if olds["desired"]["schema_name"] != label:
        known = replace(known, schema=None, tables={})
    return known


def _apply(props: Props) -> Props:
    desired = _desired(props)
    applied = runner.apply(
        _endpoint(props),
        desired,
        passwords=_passwords(props),
        report=_say,
        machine=_machine(props),
    )
    return _outputs(props, desired, applied.catalog, notes=applied.notes)


def _outputs(
    props: Props, desired: DesiredSchema, catalog: Catalog, *, notes: tuple[str, ...]
) -> Props:
    table = next(iter(desired.tables), None)
    index = table.ann_index if table else None
    column = table.column(index.column) if table and index else None
    return {
        **{key: props[key] for key in COMPARED if key in props},
        "state": to_plain(managed(catalog, desired)),
        "sizes": offline.sizes(catalog, desired),
        "table": f"{desired.schema_name}.{table.name}" if table else "",
        "index_name": index.name_in(table.name) if table and index else "",
        "index_method": index.method if index else "",
        "dimensions": (column.dimensions or 0) if column else 0,
        "roles": {role.purpose: role.name for role in desired.roles},
        "extension_version": _version(catalog),
        "unexpected": list(notes),
    }


def _version(catalog: Catalog) -> str:
    vector = catalog.extensions.get("vector")
    return (vector.installed if vector else None) or ""


def _notes(catalog: Catalog, desired: DesiredSchema) -> tuple[str, ...]:
    """What is unexpected in a drifted database; a refusal is the next preview's to make."""
    try:
        return plan(catalog, desired).notes
    except PlanRefused as refusal:
        return refusal.reasons


def _desired(props: Props) -> DesiredSchema:
    return DesiredSchema.model_validate(props["desired"])


def _endpoint(props: Props) -> Endpoint:
    return Endpoint(
        host=props["host"],
        database=props["database"],
        user=props["admin_login"],
        password=props["admin_password"],
        port=int(props["port"]),  # the engine's numbers are all fractions
        ca_file=props.get("ca_file"),
    )


def _machine(props: Props) -> Machine:
    given = props.get("machine") or {}
    vcores = given.get("vcores")
    return Machine(vcores=vcores and int(vcores), memory_gib=given.get("memory_gib"))


def _passwords(props: Props) -> Passwords:
    return cast(Passwords, props["role_passwords"])


def _say(event: runner.Event) -> None:
    """Show progress: the engine prints what a provider writes to its standard error."""
    if event.kind in {"progress", "waiting", "advice", "stopped"}:
        sys.stderr.write(f"{event.text}\n")
        sys.stderr.flush()
