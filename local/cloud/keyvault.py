"""What ``az keyvault key`` does to a key: rotate, disable, enable; for drills.

``python -m local.cloud.keyvault disable --vault kv-… --key …``. Servers that are
encrypted with the key hear of it at once.
"""

import argparse
import sys

from local.cloud import keyring
from local.cloud.arm import ArmError, Body, Record
from local.cloud.resources import TYPES
from local.cloud.resources.key import add_version, rotated_attributes
from local.cloud.store import Store
from local.cloud.world import World
from local.paths import Paths


def rotate(world: World, key: Record) -> str:
    """Add a version; older ones still unwrap what they wrapped. Returns its URI."""
    with world.transaction():
        properties = key.inputs["properties"]
        attributes = rotated_attributes(world, properties)
        version = add_version(world, key.arm_id, properties, attributes)
    return f"{key.outputs['keyUri']}/{version['version']}"


def set_enabled(world: World, key: Record, *, enabled: bool) -> str:
    """Switch all versions of a key on or off. Returns the key's URI."""
    with world.transaction():
        changed: list[Body] = [
            {**version, "enabled": enabled, "updated": int(world.now())}
            for version in world.private(key.arm_id)["versions"]
        ]
        world.set_private(key.arm_id, {"versions": changed})
    return str(key.outputs["keyUri"])


def find_key(world: World, vault_name: str, key_name: str) -> Record:
    """Return a standing key; raises ``ArmError`` with the names that there are."""
    vault = keyring.find_vault(world, vault_name)
    if vault is None:
        names = ", ".join(v.name for v in world.of_type(keyring.VAULT)) or "none"
        raise ArmError(404, "VaultNotFound", f"no vault '{vault_name}'; there are: {names}")
    key = world.get(f"{vault.arm_id}/keys/{key_name}")
    if key is None:
        names = ", ".join(k.name for k in world.children(vault.arm_id, keyring.KEY)) or "none"
        raise ArmError(404, "KeyNotFound", f"no key '{key_name}'; there are: {names}")
    return key


def main(arguments: list[str]) -> int:
    """Run one command and print the URI it worked on."""
    parser = argparse.ArgumentParser(prog="python -m local.cloud.keyvault", description=__doc__)
    parser.add_argument("command", choices=("rotate", "disable", "enable"))
    parser.add_argument("--vault", required=True)
    parser.add_argument("--key", required=True)
    asked = parser.parse_args(arguments)
    world = World(Store(Paths.current().cloud), TYPES)
    try:
        key = find_key(world, asked.vault, asked.key)
    except ArmError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    if asked.command == "rotate":
        uri = rotate(world, key)
    else:
        uri = set_enabled(world, key, enabled=asked.command == "enable")
    sys.stdout.write(f"{uri}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
