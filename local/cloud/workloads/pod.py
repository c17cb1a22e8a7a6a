"""What a pod of a live template is given: files in a private folder, and an environment.

A path of the container lies below the pod's folder, and every variable and argument that names
one is led there: the program sees what it would see in its image.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local.cloud.cluster.api import Api, Object
from local.cloud.postgres import ports
from local.cloud.workloads.vault import SecretClass, VaultReader
from local.errors import LocalError
from local.files import SECRET, write_atomically

AUDIENCE = "api://AzureADTokenExchange"
USES_IDENTITY = "azure.workload.identity/use"
CLIENT_ID = "azure.workload.identity/client-id"
AUTHORITY = "https://login.microsoftonline.com/"
TOKEN = "/var/run/secrets/azure/tokens/azure-identity-token"  # noqa: S105 - where AKS puts it
TOKEN_SECONDS = 3600
SECRETS_DRIVER = "secrets-store.csi.k8s.io"
PRIVATE = 0o700
INTERPRETERS = ("python", "python3")
GROUPS = {"secretproviderclasses": "/apis/secrets-store.csi.x-k8s.io/v1"}


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What every pod of a cluster shares."""

    api: Api
    vaults: VaultReader
    variables: Mapping[str, str]
    """What leads its clients to the local cloud instead of Azure."""
    tenant_id: str


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A template, and the folder that is the root of its file system."""

    namespace: str
    template: Object
    folder: Path
    around: Surroundings

    @property
    def spec(self) -> Object:
        """What the pod is."""
        found: Object = self.template["spec"]
        return found

    @property
    def container(self) -> Object:
        """Return the only container that is run: the first."""
        found: Object = self.spec["containers"][0]
        return found

    @property
    def root(self) -> Path:
        """Where the container's ``/`` is."""
        return self.folder / "root"

    # -- files -----------------------------------------------------------------------

    def mount(self) -> None:
        """Make every file and folder that is mounted, all private. Raises ``LocalError``."""
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder, self.root):
            folder.chmod(PRIVATE)
        for path, volume in self._mounts():
            if "emptyDir" in volume:
                self._inside(path).mkdir(parents=True, exist_ok=True)
        self.refresh()

    def refresh(self) -> bool:
        """Write what is new of configuration and secrets; tell whether anything was.

        Each file is replaced in one step, as the driver does it.
        """
        written = [self._put(path, text) for path, text in dict(self._files()).items()]
        return any(written)

    def _files(self) -> Iterator[tuple[str, str]]:
        token = None
        if self._identity is not None:
            token = self._kept_token() or self._token()
            yield TOKEN, token
        for path, volume in self._mounts():
            for name, text in self._contents(volume, token).items():
                yield f"{path}/{name}", text

    def _contents(self, volume: Object, token: str | None) -> Mapping[str, str]:
        match volume:
            case {"csi": {"driver": driver, "volumeAttributes": told}} if driver == SECRETS_DRIVER:
                name = told["secretProviderClass"]
                wanted = SecretClass.of(self._named("secretproviderclasses", name))
                return self.around.vaults.read(wanted, token or self._token())
            case {"configMap": {"name": name}}:
                found: Mapping[str, str] = self._named("configmaps", name).get("data") or {}
                return found
            case {"emptyDir": _}:
                return {}
        raise LocalError(f"volume {volume['name']} of {self.namespace}: no such kind is run here")

    def _mounts(self) -> Iterator[tuple[str, Object]]:
        volumes = {volume["name"]: volume for volume in self.spec.get("volumes") or ()}
        for mount in self.container.get("volumeMounts") or ():
            yield mount["mountPath"], volumes[mount["name"]]

    def _put(self, path: str, text: str) -> bool:
        file = self._inside(path)
        if file.exists() and file.read_text(encoding="utf-8") == text:
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, text, SECRET)
        return True

    def _inside(self, path: str) -> Path:
        return self.root / PurePosixPath(path).relative_to("/")

    def remove(self) -> None:
        """Remove what the pod was given, and what it wrote."""
        shutil.rmtree(self.root, ignore_errors=True)

    # -- what it is told ---------------------------------------------------------------

    def environment(self, listeners: Mapping[int, int]) -> dict[str, str]:
        """Return the variables of its program; ``listeners`` are its ports, and ours for them."""
        told = {one["name"]: self._value(one) for one in self.container.get("env") or ()}
        for name, value in told.items():
            if name.endswith("_PORT") and value.isdigit() and int(value) in listeners:
                told[name] = str(listeners[int(value)])
        return {
            **self._identity_variables(),
            **{name: self.led(value) for name, value in told.items()},
            **self.around.variables,
            "ENGRAM_HOST": ports.LOOPBACK,
            "TMPDIR": str(self._scratch),
            "PYTHONUNBUFFERED": "1",
        }

    def command(self, default: Sequence[str]) -> list[str]:
        """Return what is run: the container's own words, or the image's, by this Python."""
        container = self.container
        words = [*(container.get("command") or default), *(container.get("args") or ())]
        program = sys.executable if words[0] in INTERPRETERS else words[0]
        return [program, *(self.led(word) for word in words[1:])]

    def listeners(self, notes: Path) -> dict[int, int]:
        """Return a free port for each of the container's; kept while nobody else takes it."""
        return {
            port["containerPort"]: ports.reserve(notes / f"{port['name']}.port")
            for port in self.container.get("ports") or ()
        }

    def led(self, text: str) -> str:
        """Return a path of the container as the path it has here; other texts as they are."""
        for path in (TOKEN, *(path for path, _ in self._mounts())):
            if text == path or text.startswith(f"{path.rstrip('/')}/"):
                return str(self._inside(text))
        return text

    @property
    def _scratch(self) -> Path:
        folder = self._inside("/tmp")  # noqa: S108 - the pod's own
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _value(self, variable: Object) -> str:
        match variable:
            case {"valueFrom": {"configMapKeyRef": {"name": name, "key": key}}}:
                return str(self._named("configmaps", name)["data"][key])
            case {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}:
                return self.namespace
            case {"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}:
                return ports.LOOPBACK
            case {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}:
                return self.folder.name
            case {"valueFrom": _}:
                raise LocalError(
                    f"variable {variable['name']} of {self.namespace}: its source is not read here"
                )
        return str(variable.get("value", ""))

    # -- who it is -----------------------------------------------------------------------

    @property
    def _identity(self) -> str | None:
        """Return the client id that AKS' webhook would tell the pod, if it would."""
        labels = (self.template.get("metadata") or {}).get("labels") or {}
        if labels.get(USES_IDENTITY) != "true":
            return None
        account = self._named("serviceaccounts", self._account)
        found: str | None = (account["metadata"].get("annotations") or {}).get(CLIENT_ID)
        return found

    def _identity_variables(self) -> dict[str, str]:
        client_id = self._identity
        if client_id is None:
            return {}
        return {
            "AZURE_CLIENT_ID": client_id,
            "AZURE_TENANT_ID": self.around.tenant_id,
            "AZURE_FEDERATED_TOKEN_FILE": str(self._inside(TOKEN)),
            "AZURE_AUTHORITY_HOST": AUTHORITY,
        }

    @property
    def _account(self) -> str:
        return str(self.spec.get("serviceAccountName") or "default")

    def _token(self) -> str:
        """Return a token of the service account, which the cluster signs."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self._account}/token"
        spec = {"audiences": [AUDIENCE], "expirationSeconds": TOKEN_SECONDS}
        kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        return str(self.around.api.post(path, {**kind, "spec": spec})["status"]["token"])

    def _kept_token(self) -> str | None:
        """Return the token that the pod holds, for the first half of its life."""
        file = self._inside(TOKEN)
        if not file.exists() or time.time() - file.stat().st_mtime > TOKEN_SECONDS / 2:
            return None
        return file.read_text(encoding="utf-8")

    def _named(self, kind: str, name: str) -> Object:
        group = GROUPS.get(kind, "/api/v1")
        found = self.around.api.get(f"{group}/namespaces/{self.namespace}/{kind}/{name}")
        if found is None:
            raise LocalError(f"{kind} {self.namespace}/{name}: not found")
        return found


def inherited() -> dict[str, str]:
    """Return what of our own environment a pod's program may see."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ}
