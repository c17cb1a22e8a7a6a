"""Diagnostic settings: which of a resource's logs go where."""

from collections.abc import Iterator

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup, parent_of
from local.cloud.keyring import VAULT
from local.cloud.resources.names import name_rule
from local.cloud.resources.subnet import FLEXIBLE_SERVER, MANAGED_CLUSTER
from local.cloud.resources.workspace import WORKSPACE
from local.cloud.world import World

GROUPS = ("allLogs", "audit")
CATEGORIES = {
    FLEXIBLE_SERVER: (
        "PostgreSQLLogs",
        "PostgreSQLFlexSessions",
        "PostgreSQLFlexQueryStoreRuntime",
        "PostgreSQLFlexQueryStoreWaitStats",
        "PostgreSQLFlexTableStats",
        "PostgreSQLFlexDatabaseXacts",
        "PostgreSQLFlexPGBouncer",
    ),
    MANAGED_CLUSTER: (
        "kube-apiserver",
        "kube-audit",
        "kube-audit-admin",
        "kube-controller-manager",
        "kube-scheduler",
        "cluster-autoscaler",
        "cloud-controller-manager",
        "guard",
        "csi-azuredisk-controller",
        "csi-azurefile-controller",
        "csi-snapshot-controller",
    ),
    VAULT: ("AuditEvent", "AzurePolicyEvaluationDetails"),
}
"""Log categories by the target's type; other types are not checked."""
SINKS = ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId")


class DiagnosticSetting(ResourceType):
    """``Microsoft.Insights/diagnosticSettings`` of any resource."""

    token = "azure-native:monitor:DiagnosticSetting"
    type = "Microsoft.Insights/diagnosticSettings"
    api_version = "2021-05-01-preview"
    path = "{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}"

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, no destination, no category, and both kinds of category."""
        yield from name_rule(
            inputs, "name", r"[^*<>%:&?+/\\]{1,260}", "1-260 characters without *<>%:&?+/ and \\"
        )
        if not any(sink in inputs for sink in SINKS):
            yield Refusal("workspaceId", "BadRequest", f"no data sink; one of {', '.join(SINKS)}")
        logs = lookup(inputs, "logs") or []
        if not logs and not lookup(inputs, "metrics") and "logs" not in inputs:
            yield Refusal("logs", "BadRequest", "no category is enabled")
        for i, log in enumerate(logs):
            if ("category" in log) == ("categoryGroup" in log):
                yield Refusal(
                    f"logs[{i}]", "BadRequest", "give exactly one of category and categoryGroup"
                )
            group = lookup(log, "categoryGroup")
            if group is not None and group not in GROUPS:
                yield Refusal(
                    f"logs[{i}].categoryGroup",
                    "BadRequest",
                    f"Category group '{group}' is not supported; {', '.join(GROUPS)}.",
                )

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse an unknown category or workspace, and a sink that has the category already."""
        target = world.require(parent_of(arm_id) or "")
        known = CATEGORIES.get(target.type)
        for log in inputs.get("logs", []):
            category = log.get("category")
            if category is not None and known is not None and category not in known:
                raise ArmError(
                    400,
                    "BadRequest",
                    f"Category '{category}' is not supported. It has {', '.join(known)}.",
                )
        if "workspaceId" in inputs:
            workspace = world.require(inputs["workspaceId"])
            if workspace.type != WORKSPACE:
                raise ArmError(
                    400, "BadRequest", f"'{workspace.arm_id}' is no Log Analytics workspace."
                )
            _refuse_shared(world, arm_id, target, inputs)


def _refuse_shared(world: World, arm_id: str, target: Record, inputs: Body) -> None:
    for other in world.children(target.arm_id, DiagnosticSetting.type):
        same = str(other.outputs.get("workspaceId")).lower() == str(inputs["workspaceId"]).lower()
        shared = _categories(other.outputs) & _categories(inputs)
        if same and shared and other.arm_id.lower() != arm_id.lower():
            raise ArmError(
                409,
                "Conflict",
                f"Data sink '{inputs['workspaceId']}' is already used in diagnostic setting"
                f" '{other.name}' for category '{min(shared)}'. Data sinks can't be reused in"
                " different settings on the same category for the same resource.",
            )


def _categories(body: Body) -> set[str]:
    entries = [*body.get("logs", []), *body.get("metrics", [])]
    return {str(e.get("category") or e.get("categoryGroup")) for e in entries if e.get("enabled")}
