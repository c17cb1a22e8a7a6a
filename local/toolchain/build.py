"""Tools built from their Go modules, once per version for all clones of a user.

A folder with a go.mod is one unit: its tools agree on their dependencies, and
its ``tool`` lines are the list of what is built.  The result appears in the cache
under its final name or not at all, so that a build which was killed is simply
done again, and Go's own cache makes that short.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

from local import lock
from local.errors import LocalError
from local.paths import Paths
from local.toolchain import golang
from local.toolchain.prerequisites import BUILD_GIB, require_space
from local.toolchain.report import Advance, Report

TOOLCHAIN = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class GoModule:
    """A folder of this package that holds a go.mod and a go.sum."""

    name: str
    """The folder, and what a user sees while it is built."""
    main_module: str
    """The module whose version is the version of the tools."""
    stamps: Mapping[str, str] = field(default_factory=dict)
    """What the linker writes into which variable; without it, some tools call themselves unknown.

    ``{version}``, ``{major}`` and ``{minor}`` are those of the main module.
    """
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The usual name of a tool by the one that Go gives it."""
    documents: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """YAML that a tool reads: its name here, and the module and the files it is joined from."""
    debuggable: bool = True
    """Whether the compiler describes variables and lines; it takes time, and nobody looks."""

    @property
    def folder(self) -> Path:
        """Where the go.mod is."""
        return TOOLCHAIN / self.name

    @property
    def packages(self) -> dict[str, str]:
        """Import path by name of the tool, from the ``tool`` lines."""
        text = (self.folder / "go.mod").read_text(encoding="utf-8")
        block = re.search(r"^tool \((.*?)^\)", text, re.MULTILINE | re.DOTALL)
        lines = block.group(1).split() if block else re.findall(r"^tool (\S+)", text, re.MULTILINE)
        return {self._tool(path): path for path in lines}

    @property
    def contents(self) -> tuple[str, ...]:
        """Names of all that a build makes."""
        return (*self.packages, *self.documents)

    def _tool(self, package: str) -> str:
        """Name a tool as Go does, after its folder but not a major version, unless renamed."""
        name = re.sub(r"/v\d+$", "", package).rpartition("/")[2]
        return self.renamed.get(name, name)

    @property
    def version(self) -> str:
        """The main module's version without its ``v``."""
        text = (self.folder / "go.mod").read_text(encoding="utf-8")
        match = re.search(rf"\b{re.escape(self.main_module)} v(\S+)", text)
        if not match:
            raise LocalError(f"{self.folder}/go.mod names no version of {self.main_module}")
        return match.group(1)

    @property
    def go_version(self) -> golang.Version:
        """The oldest Go that the module accepts."""
        text = (self.folder / "go.mod").read_text(encoding="utf-8")
        match = re.search(r"^go (\S+)", text, re.MULTILINE)
        return golang.parse_version(match.group(1) if match else "") or (1, 26)

    @property
    def key(self) -> str:
        """Name of the build in the cache: version, machine, every dependency, and how."""
        digest = hashlib.sha256()
        for file in ("go.mod", "go.sum"):
            digest.update((self.folder / file).read_bytes())
        digest.update(repr(self).encode())
        machine = f"{sys.platform}-{platform.machine()}"
        return f"{self.name}-{self.version}-{machine}-{digest.hexdigest()[:12]}"

    @property
    def flags(self) -> tuple[str, ...]:
        """How Go builds: no paths of this machine, no symbols, and with the version."""
        major, minor, *_ = self.version.split(".")
        known = {"version": self.version, "major": major, "minor": minor}
        stamps = (f" -X {name}={text.format(**known)}" for name, text in self.stamps.items())
        compiler = () if self.debuggable else ("-gcflags=all=-dwarf=false",)
        return ("-trimpath", "-buildvcs=false", *compiler, "-ldflags", "-s -w" + "".join(stamps))


def ensure(modules: Iterable[GoModule], paths: Paths, report: Report) -> None:
    """Put the tools of all modules into ``paths.bin``; modules build side by side.

    Raises ``LocalError`` where a prerequisite is missing or a build fails.
    """
    missing = [module for module in modules if not _installed(module, paths)]
    if not missing:
        return
    with ThreadPoolExecutor(max_workers=len(missing)) as pool:
        for module, folder in zip(
            missing, pool.map(lambda module: _cached(module, paths, report), missing), strict=True
        ):
            _install(module, folder, paths)


def _marker(module: GoModule, paths: Paths) -> Path:
    return paths.bin / f".{module.key}"


def _installed(module: GoModule, paths: Paths) -> bool:
    files = (paths.bin / name for name in module.contents)
    return _marker(module, paths).exists() and all(file.exists() for file in files)


def _install(module: GoModule, folder: Path, paths: Paths) -> None:
    """Link the tools, or copy them where the cache is on another disk.

    A symbolic link would not do: the engine looks for its language host beside the file
    that it is, not beside the link.
    """
    paths.bin.mkdir(parents=True, exist_ok=True)
    for name in module.contents:
        temporary = paths.bin / f".{name}.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        try:
            temporary.hardlink_to(folder / name)
        except OSError:
            shutil.copy2(folder / name, temporary)
        temporary.rename(paths.bin / name)
    for stale in paths.bin.glob(f".{module.name}-*"):
        stale.unlink()
    _marker(module, paths).touch()


def _cached(module: GoModule, paths: Paths, report: Report) -> Path:
    """Return the folder of the built tools, building them if nobody has."""
    folder = paths.cache / "tools" / module.key
    with lock.held(paths.cache / "locks" / f"{module.key}.lock", wait=True):
        if folder.exists():
            return folder
        require_space(paths.cache, BUILD_GIB)
        go = golang.go_for(module.go_version, paths, report)
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with report.step(f"building {module.name} {module.version}") as advance:
            _build(module, go, partial, advance)
        partial.rename(folder)
    return folder


def _build(module: GoModule, go: Path, target: Path, advance: Advance) -> None:
    packages = list(module.packages.values())
    needed = _run(go, ["list", "-deps", *packages], module.folder)
    total, done = needed.count("\n"), 0

    def count(_line: str) -> None:
        nonlocal done
        done += 1
        advance(done, total)

    _run(go, ["build", "-v", *module.flags, "-o", f"{target}/", *packages], module.folder, count)
    for built, usual in module.renamed.items():
        (target / built).rename(target / usual)
    for name, (source, files) in module.documents.items():
        folder = Path(_run(go, ["list", "-m", "-f", "{{.Dir}}", source], module.folder).strip())
        texts = ((folder / file).read_text(encoding="utf-8") for file in files)
        (target / name).write_text("---\n".join(texts), encoding="utf-8")


def _run(
    go: Path,
    arguments: list[str],
    folder: Path,
    on_line: Callable[[str], None] = lambda _line: None,
) -> str:
    """Run Go, telling every line of its progress; return its answer."""
    # No C compiler is needed, and neither the user's workspace nor flags may change the result.
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
    }
    progress: list[str] = []
    with TemporaryFile("w+", encoding="utf-8") as answer:
        process = subprocess.Popen(
            [go, *arguments],
            cwd=folder,
            env=environment,
            stdout=answer,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            for line in process.stderr or ():
                progress.append(line)
                on_line(line)
        answer.seek(0)
        output = answer.read()
    if process.returncode:
        raise LocalError(
            f"building {folder.name}: `go {arguments[0]}` failed:\n"
            f"{''.join(progress[-15:]).rstrip()}\n"
            "Where a download failed, check that Go's module proxy (go env GOPROXY) can be "
            "reached, and run the command again: what is there is not fetched twice."
        )
    return output
