"""Makes everything ready that the engine needs, and says where the engine is.

A second call finds all of it done and costs a few milliseconds.
"""

import os
import shutil
import subprocess
from pathlib import Path

from local.paths import Paths
from local.toolchain import build, launchers
from local.toolchain.build import GoModule
from local.toolchain.golang import parse_version
from local.toolchain.report import Report

ENGINE = GoModule(
    name="engine",
    main_module="github.com/pulumi/pulumi/pkg/v3",
    stamps={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": "v{version}"},
)

_VERSION = "k8s.io/component-base/version"

KUBERNETES = GoModule(
    name="kubernetes",
    main_module="k8s.io/kubernetes",
    stamps={
        f"{_VERSION}.gitVersion": "v{version}",
        f"{_VERSION}.gitMajor": "{major}",
        f"{_VERSION}.gitMinor": "{minor}",
    },
    renamed={"server": "etcd"},
    # How kwok's nodes and pods come to life; it knows nothing of it by itself.
    documents={
        "kwok-stages.yaml": (
            "sigs.k8s.io/kwok",
            (
                "kustomize/stage/node/fast/node-initialize.yaml",
                "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
                "kustomize/stage/pod/fast/pod-ready.yaml",
                "kustomize/stage/pod/fast/pod-complete.yaml",
                "kustomize/stage/pod/fast/pod-delete.yaml",
            ),
        )
    },
    debuggable=False,
)

MODULES: tuple[GoModule, ...] = (KUBERNETES,)
"""Whatever is built on every machine; the engine only where no official one is installed."""


def ensure(paths: Paths, report: Report) -> Path:
    """Install what is missing and return the engine.

    Raises ``LocalError`` where a prerequisite is missing, or a build or an installation fails.
    """
    official = official_engine(paths)
    build.ensure(MODULES if official else (ENGINE, *MODULES), paths, report)
    if not official:
        launchers.install_beside_engine(paths)
    launchers.install_plugins(paths)
    return official or paths.bin / "pulumi"


def official_engine(paths: Paths) -> Path | None:
    """Return an installed Pulumi CLI with its Python host beside it, if it is new enough.

    "New enough" is the version that would be built: the end-to-end tests run with it.
    """
    found = shutil.which("pulumi", path=_path_without(paths.bin))
    if not found:
        return None
    engine = Path(found).resolve()
    if not engine.with_name("pulumi-language-python").exists():
        return None
    version = parse_version(_version_text(engine, paths))
    return engine if version and version >= (parse_version(ENGINE.version) or ()) else None


def _path_without(folder: Path) -> str:
    entries = os.environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if Path(entry) != folder)


def _version_text(engine: Path, paths: Paths) -> str:
    environment = os.environ | {
        "PULUMI_HOME": str(paths.pulumi_home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    return subprocess.run(
        [engine, "version"], capture_output=True, text=True, env=environment, check=False
    ).stdout
