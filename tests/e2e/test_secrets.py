"""No secret in clear: not in state, logs, output, previews, arguments or objects of the cluster.

The canaries are what the stack itself drew: passwords, keys of interfaces, private keys. They
pass through every layer, and nobody can tell them from real ones, because they are.
"""

import base64
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.e2e.installation import Installation, running
from tests.e2e.kubectl import Kubectl

pytestmark = pytest.mark.e2e

GENERATED = {
    "random:index/randomPassword:RandomPassword": ("result",),
    "pulumi-python:dynamic/security:ServingCertificate": ("private_key", "authority_key"),
    "pulumi:pulumi:Stack": ("kubeconfig",),
}
"""Which outputs of a type are secrets that were drawn here; all others are made of these."""
DRAWN = {
    *(f"{login}-password" for login in ("engram-admin", "zep-app")),
    *(f"memory-{purpose}-password" for purpose in ("migrator", "app", "reader")),
    *(f"{service}-api-key-value" for service in ("zep", "memory", "model")),
    *("memory-api-key-other-value", "graph-store-password-value"),
    *(
        f"{server}-certificate.{key}"
        for server in ("gateway", "graph-store")
        for key in ("private_key", "authority_key")
    ),
    "kubeconfig",
}
CANARY = "canary-4ccfa1d0"
Secrets = dict[str, str]
"""Texts that nothing but the secret has in it, by the secret's name."""


@contextmanager
def watched_processes() -> Iterator[set[str]]:
    """Collect the command line of every process that runs meanwhile."""
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            seen.update(line for line, _ in running())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def drawn(installation: Installation) -> Secrets:
    """Return every secret that the stack drew, from the state and with its passphrase."""
    command = ["stack", "export", "--show-secrets", "--stack", "dev"]
    exported = installation.engine().run(command, capture=True)
    secrets = {}
    for entry in json.loads(exported.stdout)["deployment"]["resources"]:
        keys = GENERATED.get(entry["type"], ())
        for key in keys:
            name = entry["urn"].rpartition("::")[2].removeprefix("engram-dev-")
            name = f"{name}.{key}" if len(keys) > 1 else name
            value = json.loads(entry["outputs"][key]["plaintext"])
            secrets[key if key == "kubeconfig" else name] = telling(value)
    return secrets


def telling(value: str) -> str:
    """Return the part of a secret that is secret, in one line."""
    if value.startswith("apiVersion:"):
        key = yaml.safe_load(value)["users"][0]["user"]["client-key-data"]
        value = base64.b64decode(key).decode()
    # The first line of a private key is much the same in all of them.
    return value.splitlines()[2] if value.startswith("-----BEGIN") else value


def forms(secret: str) -> Iterator[bytes]:
    """Yield a secret as it is, and inside of another text's base64, wherever it begins there."""
    yield secret.encode()
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + secret.encode())
        yield coded[shift + (shift > 0) : -4]  # what its neighbours have no part in


def shown(secrets: Secrets, content: bytes) -> list[str]:
    """Return the names of the secrets that are in a content."""
    return [name for name, secret in secrets.items() if any(f in content for f in forms(secret))]


def files_with(secrets: Secrets, folders: Iterable[Path]) -> set[Path]:
    """Return the files below the folders that hold one of the secrets in clear."""
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
    return {file for file in files if shown(secrets, file.read_bytes())}


@pytest.mark.timeout(600)
def test_no_secret_is_found_anywhere(fresh: Installation) -> None:
    kubectl = Kubectl(installation=fresh)
    with watched_processes() as seen:
        texts = [fresh.run("up")]
        fresh.sql("REVOKE INSERT ON memory.zep_memory_vectors FROM memory_app")
        texts += [fresh.run(command) for command in ("refresh", "preview", "up", "status")]
        kubectl("create", "configmap", "canary", "--from-literal", f"canary={CANARY}")
        objects = kubectl.everything()
    assert [answer.returncode for answer in texts] == [0] * 5

    secrets = drawn(fresh)
    assert secrets.keys() == DRAWN
    output = "\n".join(answer.stdout + answer.stderr for answer in texts)
    assert shown(secrets, output.encode()) == []
    arguments = "\n".join(seen)
    for known in ("memory schema verify", "kube-apiserver", "etcd", "plugin kubernetes"):
        assert known in arguments, f"the watch did not see {known}"
    assert shown(secrets, arguments.encode()) == []
    assert shown(secrets | {"canary": CANARY}, objects.encode()) == ["canary"]
    assert kubectl.get("secrets", "--all-namespaces")["items"] == []

    administrators_key = {
        kubectl.kubeconfig,
        *fresh.paths.services.glob("kubernetes/clusters/*/certificates/administrator.key"),
    }
    # What a cluster mounts into its pods lies beside those that run here for real.
    mounted = {*fresh.folder.glob("workloads/*/*/*/root/etc/engram/secrets/*")}
    found = files_with(secrets, [fresh.folder, fresh.paths.services])
    assert found - mounted == administrators_key
    assert found & mounted, "the search does not see what pods mount"
    assert [file for file in found if file.stat().st_mode & 0o007] == []
    stored = files_with({"canary": CANARY}, fresh.paths.services.glob("kubernetes/clusters/*/data"))
    assert stored, "the search does not see what the cluster stores"


@pytest.mark.parametrize("before", ["", "1", "12", "123"])
def test_the_search_finds_a_secret_that_is_there(tmp_path: Path, before: str) -> None:
    secret = {"canary": CANARY}
    clear, coded, other = (tmp_path / name for name in ("clear", "coded", "other"))
    clear.write_text(f"connecting with {before}{CANARY} ...")
    coded.write_bytes(base64.b64encode(f"{before}{CANARY}, and more".encode()))
    other.write_text("connecting ...")
    assert files_with(secret, [tmp_path]) == {clear, coded}
