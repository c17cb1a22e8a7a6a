"""A deployment in which everything holds, as plain data; and ways to spoil it."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from assurance.compliance import catalogue
from assurance.compliance.assess import Assessment, assess
from assurance.compliance.checks.cluster import CLAIM, POLICY, STORAGE, plain
from assurance.compliance.checks.database import schemas
from assurance.compliance.checks.deployed import SERVER
from assurance.compliance.checks.records import KEY
from assurance.compliance.model import Control
from assurance.compliance.truths import Truths
from assurance.policies import exceptions, rules
from assurance.policies.model import Resource, Stack
from tests.assurance import recorded

AT = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
OWNER_RIGHTS = ["DELETE", "INSERT", "SELECT", "TRUNCATE", "UPDATE"]


@cache
def controls() -> tuple[Control, ...]:
    return catalogue.load(rules.load())


def assessed(truths: Truths, at: datetime = AT) -> Assessment:
    """Judge truths by all controls."""
    return assess(controls(), truths, at, rules=rules.load(), kept=exceptions.kept())


@cache
def clean(stack: str = "prod") -> Truths:
    """Return what an auditor likes to see."""
    declared = recorded.stack(stack)
    return Truths(
        declared=declared,
        deployed=with_outputs(
            declared, SERVER, dataEncryption=_key_status, fullyQualifiedDomainName=_fqdn
        ),
        database=database(declared),
        cluster=cluster(declared),
        key_versions=tuple(_versions(declared)),
        key_access=tuple(unwrapped(key.get("vaultName")) for key in declared.of_type(KEY)),
    )


def unwrapped(vault: str, **otherwise: Any) -> dict[str, Any]:
    """Return an entry of a vault's log."""
    return {
        "OperationName": "KeyUnwrap",
        "HttpStatusCode": 200,
        "TimeGenerated": "2026-11-23T13:00:00Z",
        "_ResourceId": f"/subscriptions/x/providers/microsoft.keyvault/vaults/{vault}",
        **otherwise,
    }


def _fqdn(server: Resource) -> str:
    return f"{server.get('serverName')}.postgres.database.azure.com"


def _key_status(server: Resource) -> dict[str, Any]:
    return {**server.raw["dataEncryption"], "primaryEncryptionKeyStatus": "Valid"}


def with_outputs(stack: Stack, typ: str, **changed: Callable[[Resource], Any]) -> Stack:
    """Return a stack in which resources of a type answer otherwise."""

    def answered(resource: Resource) -> Resource:
        if resource.type != typ:
            return resource
        new = {name: answer(resource) for name, answer in changed.items()}
        return replace(resource, outputs={**resource.outputs, **new})

    return replace(stack, resources=tuple(map(answered, stack.resources)))


def with_inputs(
    stack: Stack, typ: str, change: Callable[[dict[str, Any]], object], name: str = ""
) -> Stack:
    """Return a stack in which inputs of a type's resources are changed, and so their outputs."""

    def changed(resource: Resource) -> Resource:
        if resource.type != typ or not resource.name.endswith(name):
            return resource
        raw, outputs = copy.deepcopy(dict(resource.raw)), copy.deepcopy(dict(resource.outputs))
        change(raw)
        change(outputs)
        return replace(resource, raw=raw, outputs=outputs)

    return replace(stack, resources=tuple(map(changed, stack.resources)))


def without(stack: Stack, typ: str, name: str) -> Stack:
    """Return a stack in which nobody finds a resource any more."""
    left = tuple(r for r in stack.resources if r.type != typ or not r.name.endswith(name))
    assert len(left) == len(stack.resources) - 1
    return replace(stack, resources=left)


def database(stack: Stack) -> dict[str, Any]:
    """Return what a server says that is as it was declared."""
    roles = [role for _, _, schema in schemas(stack) for role in schema.get("desired.roles")]
    return {
        "host": schemas(stack)[0][2].get("host"),
        "settings": {
            "server_version": "18.1",
            "ssl": "on",
            "ssl_min_protocol_version": "TLSv1.3",
            "password_encryption": "scram-sha-256",
            "shared_preload_libraries": "pg_stat_statements,pgaudit",
            "pgaudit.log": "ddl,misc,role",
            "log_connections": "on",
            "log_disconnections": "on",
            "log_line_prefix": "%t-%c-user=%u",
        },
        "audit_offered": True,
        "plaintext": "refused",
        "sessions": [_session("memory_app"), _session("zep_app")],
        "logins": [_login("azuresu", superuser=True), _login("engram_admin", creates_roles=True)]
        + [_login(role["name"]) for role in roles],
        "memberships": [_member("engram_admin", "azure_pg_admin", inherits=True)]
        + [_member(r["name"], other) for r in roles for other in r.get("member_of") or ()],
        "schemas": [_schema(*place) for place in schemas(stack)],
    }


def _session(login: str) -> dict[str, Any]:
    return {
        "login": login,
        "database": "memory",
        "application": "",
        "tls": True,
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "number": 3,
    }


def _login(name: str, **elevated: bool) -> dict[str, Any]:
    every = ("superuser", "creates_roles", "creates_databases", "replicates", "bypasses_rls")
    return {"name": name, **{each: elevated.get(each, False) for each in every}}


def _member(member: str, role: str, **extent: bool) -> dict[str, Any]:
    how = {each: extent.get(each, False) for each in ("admin", "inherits", "sets")}
    return {"member": member, "role": role, **how}


def _schema(database: str, name: str, resource: Resource) -> dict[str, Any]:
    tables = plain(resource.get("desired.tables") or ())
    return {
        "database": database,
        "schema": name,
        "books": books() if any(t["name"] == "memory_operations" for t in tables) else None,
        "rights": [
            {"relation": table["name"], "login": role["name"], "privileges": given}
            for table in tables
            for role in plain(resource.get("desired.roles"))
            for given in [_may(table, role)]
        ],
        "relations": [
            {"name": table["name"], "owner": "", "kind": "r", "elsewhere": False, "bytes": 8192}
            for table in tables
        ],
        "indexes": [
            {"relation": table["name"], "method": index["method"], "valid": True, "ready": True}
            for table in tables
            for index in table["indexes"]
        ],
        "columns": [
            {"relation": table["name"], "name": column["name"], "type": _type(column)}
            for table in tables
            for column in table["columns"]
        ],
    }


def _may(table: Mapping[str, Any], role: Mapping[str, Any]) -> list[str]:
    given = list(role["privileges"] or OWNER_RIGHTS)
    only_adds = table.get("append_only") and role["privileges"]
    return [one for one in given if one in {"SELECT", "INSERT"}] if only_adds else given


def books() -> dict[str, Any]:
    """Return what the books of a memory say where all of it is in order."""
    return {
        "chain": {"entries": 9, "broken": None, "head": "f" * 64},
        "operations": [
            run("rotate-field-keys", "2026-08-20", position=1, order="ensure"),
            run("rotate-field-keys", "2026-11-01", position=3, order="rotate", proof=PROOF),
            run("retention", "2026-11-23", position=5),
            run("forget", "2026-11-20", position=7),
        ],
        "audit": {"entries": 120, "last": "2026-11-23T12:00:00+00:00"},
        "memories": {"rows": 80, "sensitive": 30, "clear": 0, "by_key": {"fields-1": 30}},
    }


PROOF = {"ok": True, "rows": 80, "rows_encrypted": 30, "rows_left": 0, "coverage": 1.0}


def run(operation: str, day: str, **more: Any) -> dict[str, Any]:
    """Return one run of an operation, as the book tells it."""
    times = {"begun": f"{day}T02:00:00+00:00", "ended": f"{day}T02:10:00+00:00"}
    usual = {"position": 1, "order": None, "actor": "memory_app", "state": "done", "proof": None}
    return {"operation": operation, **usual, **times, **more}


def _type(column: Mapping[str, Any]) -> str:
    size = column.get("dimensions")
    return f"{column['type']}({size})" if size else str(column["type"])


def cluster(stack: Stack) -> dict[str, Any]:
    """Return what an API server says that has what was declared."""
    (storage,) = stack.of_type(STORAGE)
    return {
        "namespace": "zep",
        "policies": [
            {"name": policy.get("metadata.name"), "spec": plain(policy.get("spec"))}
            for policy in stack.of_type(POLICY)
        ],
        "storage": [
            {
                "name": storage.get("metadata.name"),
                "parameters": plain(storage.get("parameters") or {}),
            }
        ],
        "claims": [
            {"name": claim.get("metadata.name"), "class": storage.get("metadata.name")}
            for claim in stack.of_type(CLAIM)
        ],
        "listeners": [
            {"name": "gateway/entrance", "to": ["zep"], "oldest": ["TLSv1_3"], "logged": True},
            {"name": "gateway/status", "to": ["admin"], "oldest": ["plain"], "logged": False},
        ],
        "checks": [
            {"name": name, "ok": True, "found": "fine", "wanted": "fine"}
            for name in ("pod security", "workloads", "admission", "references")
        ],
    }


def _versions(stack: Stack) -> Iterator[dict[str, Any]]:
    for key in stack.of_type(KEY):
        address = f"https://{key.get('vaultName')}.vault.azure.net/keys/{key.get('keyName')}"
        for version, created in (("1", "2026-08-01"), ("2", "2026-10-30")):
            yield {
                "kid": f"{address}/{version}",
                "attributes": {"created": f"{created}T00:00:00+00:00", "enabled": True},
            }
