"""``python -m tools.bootstrap``: what the pipeline needs on Azure before its first deployment.

Storage for the state, and for every environment a container in it, a key for its secrets, and two
identities that trust one GitHub environment each: one plans, the other applies.  None reaches state
or key of another environment.  plan prints the commands of the Azure CLI, to read or to run by
hand; apply runs them.  Both may be repeated: what is there stays.  No key of the storage account is
ever used, and no secret is made.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.azure_arguments import OBJECT, SUBNET, address, like
from tools.azure_cli import Argument, Ask, AzureError, Step, az, only, perform, shown

PROJECT = Path(__file__).parents[1]
STACKS = ("dev", "test", "uat", "prod")
ISSUER = "https://token.actions.githubusercontent.com"
AUDIENCE = "api://AzureADTokenExchange"
ARM = "https://management.azure.com"

PLANS = ("Reader", "Azure Kubernetes Service Cluster User Role")
"""What planning needs in the subscription of an environment."""
APPLIES = ("Contributor", "User Access Administrator")
"""What deploying needs there: role assignments and locks are part of the program."""
READS = "Storage Blob Data Reader"
WRITES = "Storage Blob Data Contributor"
"""Roles on the state of one stack."""
OPENS = "Key Vault Crypto User"
"""The role on the key of its secrets."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Where everything is to be, and who may reach it."""

    repository: str
    subscription: str
    location: str
    group: str
    account: str
    vault: str
    addresses: tuple[str, ...]
    subnets: tuple[str, ...]
    """ARM ids."""
    operators: tuple[str, ...]
    """Object ids in Entra."""
    subscriptions: dict[str, str]
    """What each stack deploys to, as its stack file says."""

    @property
    def scope(self) -> str:
        """ARM id of the resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def here(self) -> tuple[str, ...]:
        """The options that name the resource group."""
        return ("--resource-group", self.group, "--subscription", self.subscription)

    @property
    def sources(self) -> list[tuple[str, str]]:
        """From where state and keys may be reached, as options of a network rule."""
        addresses = [("--ip-address", address) for address in self.addresses]
        return addresses + [("--subnet", subnet) for subnet in self.subnets]

    def container(self, stack: str) -> str:
        """ARM id of the container of a stack's state."""
        account = f"{self.scope}/providers/Microsoft.Storage/storageAccounts/{self.account}"
        return f"{account}/blobServices/default/containers/{container_name(stack)}"

    def key(self, stack: str) -> str:
        """ARM id of the key that encrypts the secrets in a stack's state."""
        vault = f"{self.scope}/providers/Microsoft.KeyVault/vaults/{self.vault}"
        return f"{vault}/keys/{key_name(stack)}"


def container_name(stack: str) -> str:
    """Return the name of the container of a stack's state."""
    return f"state-{stack}"


def key_name(stack: str) -> str:
    """Return the name of the key of a stack's secrets."""
    return f"pulumi-{stack}"


def identity_name(environment: str) -> str:
    """Return the name of the identity of a GitHub environment."""
    return f"id-engram-{environment}"


def steps(wish: Wish) -> Iterator[Step]:
    """Yield all steps, in the order in which Azure needs them."""
    yield from _state(wish)
    yield from _vault(wish)
    yield Step(
        why="nobody deletes state or keys by mistake",
        command=az("lock", "create", "--name", "state", "--lock-type", "CanNotDelete", *wish.here),
    )
    for stack in STACKS:
        yield _container(wish, stack)
        yield _key(wish, stack)
        yield from _identity(wish, stack, f"{stack}-plan", READS, PLANS)
        yield from _identity(wish, stack, stack, WRITES, APPLIES)
        for operator in wish.operators:
            for role, scope in _opening(wish, stack, WRITES):
                # Without a type: a person or a group, as Entra says.
                yield _grant(f"who makes the stack {stack}", role, scope, operator)


def _state(wish: Wish) -> Iterator[Step]:
    account = ("--account-name", wish.account, *wish.here)
    yield Step(
        why="one group for what outlives every environment",
        command=az(
            *("group", "create", "--name", wish.group, "--location", wish.location),
            *("--subscription", wish.subscription),
        ),
    )
    yield Step(
        why="the state: Entra logins only, no anonymous access, closed to all networks",
        # Made a second time, it could lose the network rules that it was given since.
        unless=az("storage", "account", "show", "--name", wish.account, *wish.here),
        command=az(
            *("storage", "account", "create", "--name", wish.account, *wish.here),
            *("--location", wish.location, "--kind", "StorageV2", "--sku", "Standard_ZRS"),
            *("--min-tls-version", "TLS1_2", "--https-only", "true"),
            *("--allow-blob-public-access", "false", "--allow-shared-key-access", "false"),
            *("--default-action", "Deny", "--bypass", "None"),
        ),
    )
    for source in wish.sources:
        yield Step(
            why="who runs the engine may reach the state",
            command=az("storage", "account", "network-rule", "add", *account, *source),
        )
    yield Step(
        why="every version of the state is kept, a deleted one for 90 days",
        command=az(
            *("storage", "account", "blob-service-properties", "update", *account),
            *("--enable-versioning", "true"),
            *("--enable-delete-retention", "true", "--delete-retention-days", "90"),
            *("--enable-container-delete-retention", "true"),
            *("--container-delete-retention-days", "90"),
        ),
    )


def _vault(wish: Wish) -> Iterator[Step]:
    yield Step(
        why="a vault for the keys, which nobody can purge",
        unless=az("keyvault", "show", "--name", wish.vault, *wish.here),
        command=az(
            *("keyvault", "create", "--name", wish.vault, *wish.here),
            *("--location", wish.location, "--sku", "premium"),
            *("--enable-rbac-authorization", "true", "--enable-purge-protection", "true"),
            *("--retention-days", "90", "--default-action", "Deny", "--bypass", "None"),
        ),
    )
    for source in wish.sources:
        yield Step(
            why="who runs the engine may reach the keys",
            command=az(
                "keyvault", "network-rule", "add", "--name", wish.vault, *wish.here, *source
            ),
        )


def _container(wish: Wish, stack: str) -> Step:
    return Step(
        why=f"the state of {stack}: a container of its own, made without touching data",
        command=az(
            *("storage", "container-rm", "create", "--name", container_name(stack), *wish.here),
            *("--storage-account", wish.account, "--public-access", "off"),
        ),
    )


def _key(wish: Wish, stack: str) -> Step:
    # Through ARM, which makes a key once and then leaves it alone; `az keyvault key create` would
    # add a version each time, and need a role for the person.
    return Step(
        why=f"the key of {stack}; it closes Pulumi's own key, which is in the stack file",
        command=az(
            *("rest", "--method", "put", "--url", _key_url(wish, stack), "--body"),
            '{"properties":{"kty":"RSA-HSM","keySize":3072,"keyOps":["encrypt","decrypt"]}}',
        ),
    )


def _key_url(wish: Wish, stack: str) -> str:
    return f"{ARM}{wish.key(stack)}?api-version=2024-11-01"


def _identity(
    wish: Wish, stack: str, environment: str, state_role: str, roles: Sequence[str]
) -> Iterator[Step]:
    name = identity_name(environment)
    yield Step(
        why=f"who works in the GitHub environment {environment}",
        command=az("identity", "create", "--name", name, "--location", wish.location, *wish.here),
    )
    yield Step(
        why="it trusts tokens of that environment of this repository, and no others",
        command=az(
            *("identity", "federated-credential", "create", "--identity-name", name, *wish.here),
            *("--name", "github", "--issuer", ISSUER, "--audiences", AUDIENCE),
            *("--subject", f"repo:{wish.repository}:environment:{environment}"),
        ),
    )
    granted = _opening(wish, stack, state_role)
    granted += [(role, f"/subscriptions/{wish.subscriptions[stack]}") for role in roles]
    principal = Ask(az("identity", "show", "--name", name, *wish.here, *only("principalId")))
    for role, scope in granted:
        kind = ("--assignee-principal-type", "ServicePrincipal")
        yield _grant(environment, role, scope, principal, *kind)


def _opening(wish: Wish, stack: str, state_role: str) -> list[tuple[str, str]]:
    return [(state_role, wish.container(stack)), (OPENS, wish.key(stack))]


def _grant(who: str, role: str, scope: str, principal: Argument, *kind: str) -> Step:
    return Step(
        why=f"{who} may: {role}",
        command=(
            *az("role", "assignment", "create", "--role", role, "--scope", scope, *kind),
            *("--assignee-object-id", principal),
        ),
    )


def afterwards(wish: Wish) -> Iterator[str]:
    """Yield what is left to do by hand: GitHub's side, and the stacks."""
    tenant = Ask(az("account", "show", "--subscription", wish.subscription, *only("tenantId")))
    for stack in STACKS:
        for environment in (f"{stack}-plan", stack):
            name = identity_name(environment)
            client = Ask(az("identity", "show", "--name", name, *wish.here, *only("clientId")))
            values: dict[str, Argument] = {
                "AZURE_CLIENT_ID": client,
                "AZURE_TENANT_ID": tenant,
                "AZURE_SUBSCRIPTION_ID": wish.subscriptions[stack],
                "STATE_ACCOUNT": wish.account,
                "STATE_CONTAINER": container_name(stack),
            }
            where = ("--repo", wish.repository, "--env", environment)
            for variable, value in values.items():
                yield shown(("gh", "variable", "set", variable, *where, "--body", value))
    for stack in STACKS:
        version = az("rest", "--url", _key_url(wish, stack), *only("properties.keyUriWithVersion"))
        yield (
            f"PULUMI_BACKEND_URL=azblob://{container_name(stack)} "
            f"AZURE_STORAGE_ACCOUNT={wish.account} "
            f"pulumi stack init {stack} --secrets-provider "
            f"azurekeyvault://{wish.vault}.vault.azure.net/keys/{key_name(stack)}/"
            f'"$({shlex.join(version)} | sed s,.*/,,)"'
        )


def reservations(wish: Wish) -> Iterator[str]:
    """Yield what makes the border between two environments weaker than it looks."""
    places = {"state and keys": wish.subscription, **wish.subscriptions}
    for subscription in dict.fromkeys(places.values()):
        together = [name for name, place in places.items() if place == subscription]
        if len(together) > 1:
            yield (
                f"{', '.join(together)} share the subscription {subscription}: who applies there "
                f"is {APPLIES[1]} and can take every role in it. Give each its own."
            )


def parser() -> argparse.ArgumentParser:
    """Return the parser; the reference page is made from it."""
    top = argparse.ArgumentParser(
        prog="python -m tools.bootstrap", description=(__doc__ or "").partition("\n\n")[2]
    )
    top.add_argument("verb", choices=["plan", "apply"], help="print the commands, or run them")
    top.add_argument("--repository", required=True, type=like(r"[\w.-]+/[\w.-]+"), help="o/name")
    top.add_argument("--subscription", required=True, help="of state and keys")
    top.add_argument("--location", required=True, help="of state and keys")
    top.add_argument("--group", default="rg-engram-pipeline", help="default: %(default)s")
    top.add_argument(
        "--state-account",
        required=True,
        type=like(r"[a-z0-9]{3,24}"),
        help="3 to 24 lower-case letters and digits, unique in the world",
    )
    top.add_argument(
        "--vault",
        required=True,
        type=like(r"[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]"),
        help="3 to 24 letters, digits and hyphens, unique in the world",
    )
    _add_callers(top)
    return top


def _add_callers(top: argparse.ArgumentParser) -> None:
    top.add_argument(
        "--allow-ip",
        default=[],
        action="append",
        type=address,
        metavar="ADDRESS",
        help="public address or range of who runs the engine outside the region of --location (in"
        " it storage does not hear addresses); all others are locked out; may be repeated",
    )
    top.add_argument(
        "--allow-subnet",
        default=[],
        action="append",
        type=like(SUBNET),
        metavar="ID",
        help="ARM id of a runner's subnet, with the service endpoints Microsoft.Storage and"
        " Microsoft.KeyVault; may be repeated",
    )
    top.add_argument(
        "--operator",
        default=[],
        action="append",
        type=like(OBJECT),
        metavar="ID",
        help="object id of the person or group that makes the stacks (`pulumi stack init`) or"
        " deploys by hand; may be repeated",
    )


def targets() -> dict[str, str]:
    """Return the subscription of every stack, as its file says."""
    return {
        stack: yaml.safe_load((PROJECT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))[
            "config"
        ]["azure-native:subscriptionId"]
        for stack in STACKS
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print or run the steps; return the exit code."""
    chosen = parser().parse_args(arguments)
    if not chosen.allow_ip and not chosen.allow_subnet:
        parser().error("nobody could reach the state; give --allow-ip, --allow-subnet or both")
    wish = Wish(
        repository=chosen.repository,
        subscription=chosen.subscription,
        location=chosen.location,
        group=chosen.group,
        account=chosen.state_account,
        vault=chosen.vault,
        addresses=tuple(chosen.allow_ip),
        subnets=tuple(chosen.allow_subnet),
        operators=tuple(chosen.operator),
        subscriptions=targets(),
    )
    sys.stderr.writelines(f"warning: {words}\n" for words in reservations(wish))
    try:
        for step in steps(wish):
            done = "" if chosen.verb == "plan" or perform(step) else " (is there)"
            sys.stdout.write(f"# {step.why}{done}\n")
            if chosen.verb == "plan":
                guard = f"{shlex.join(step.unless)} >/dev/null 2>&1 || " if step.unless else ""
                sys.stdout.write(f"{guard}{shown(step.command)}\n\n")
    except AzureError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n# Afterwards, by hand\n" + "\n".join(afterwards(wish)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
