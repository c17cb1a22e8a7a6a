"""Federated credentials: which foreign issuer's subject may act as an identity."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup, parent_of
from local.cloud.resources.names import name_rule
from local.cloud.world import World

CREDENTIAL = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
MOST_CREDENTIALS = 20
"""https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations"""
LONGEST_TEXT = 600


class FederatedIdentityCredential(ResourceType):
    """One credential; writes to those of one identity exclude each other."""

    token = "azure-native:managedidentity:FederatedIdentityCredential"
    type = CREDENTIAL
    api_version = "2023-01-31"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"
        "/federatedIdentityCredentials/{federatedIdentityCredentialResourceName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, an issuer without TLS, and more than one audience."""
        yield from name_rule(
            inputs,
            "federatedIdentityCredentialResourceName",
            r"[A-Za-z0-9][\w-]{2,119}",
            "3-120 letters, digits, '-' and '_', beginning with a letter or digit",
            "BadRequest",
        )
        issuer = lookup(inputs, "issuer")
        if issuer is not None and (
            urlsplit(issuer).scheme != "https" or len(issuer) > LONGEST_TEXT
        ):
            yield Refusal("issuer", "BadRequest", f"'{issuer}' is no https URL of an issuer")
        subject = lookup(inputs, "subject")
        if subject is not None and not 0 < len(subject) <= LONGEST_TEXT:
            yield Refusal("subject", "BadRequest", f"1-{LONGEST_TEXT} characters")
        audiences = lookup(inputs, "audiences")
        if audiences is not None and len(audiences) != 1:
            yield Refusal("audiences", "BadRequest", "exactly one, api://AzureADTokenExchange")

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse the same issuer and subject twice, and one too many."""
        siblings = [
            other
            for other in world.children(parent_of(arm_id) or "", CREDENTIAL)
            if other.arm_id.lower() != arm_id.lower()
        ]
        if any(_claim(other.outputs) == _claim(inputs) for other in siblings):
            raise ArmError(
                409,
                "Conflict",
                "Issuer and subject combination already exists for this Managed Identity.",
            )
        if len(siblings) >= MOST_CREDENTIALS:
            raise ArmError(
                400,
                "BadRequest",
                "Too many Federated Identity Credentials: an identity may have at most"
                f" {MOST_CREDENTIALS}.",
            )

    def serialised_on(self, arm_id: str, inputs: Body) -> str | None:
        """Return the identity: its credentials are written one after another."""
        return parent_of(arm_id)

    def busy(self, holder: str) -> ArmError:
        """Answer as Azure does; the real provider does not try again."""
        return ArmError(
            409,
            "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
            "Too many Federated Identity Credentials are written concurrently for the managed"
            f" identity '{holder}'. Concurrent Federated Identity Credentials writes under the"
            " same managed identity are not supported.",
        )


def _claim(body: Body) -> tuple[str, str]:
    # Entra compares them with case since August 2024.
    return str(body["issuer"]), str(body["subject"])
