"""The image's recipe: pinned, locked, nobody's root, and complete."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "memory" / "service" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its words; comments and line ends are gone."""
    text = re.sub(r"^#.*\n", "", RECIPE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(first, rest) for first, _, rest in (line.partition(" ") for line in lines) if first]


def of(name: str) -> list[str]:
    return [rest for first, rest in instructions() if first == name]


def test_both_stages_are_of_one_pinned_image() -> None:
    bases = [base.removesuffix(" AS build") for base in of("FROM")]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}", bases[0])


def test_it_runs_as_a_number_that_the_pods_run_as() -> None:
    assert of("USER") == ["10001:10001"]
    names = [first for first, _ in instructions()]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in {"COPY", "RUN"})


def test_packages_come_with_their_hashes_and_are_not_built() -> None:
    (install, compilation) = of("RUN")
    assert {"--require-hashes", "--only-binary", "--no-cache-dir"} <= set(install.split())
    assert compilation.endswith("compileall -q /opt/venv /app")
    locked = (ROOT / "memory" / "requirements.txt").read_text(encoding="utf-8")
    named = re.findall(r"^[a-z0-9].*$", locked, re.MULTILINE)
    assert len(named) > 20
    pinned = re.compile(r"[\w.\[\],-]+==\S+( ; .+)? \\")
    assert [line for line in named if not pinned.fullmatch(line)] == []


def test_nothing_else_is_added() -> None:
    assert of("ADD") == []
    copied = [words.split()[0] for words in of("COPY") if not words.startswith("--from=")]
    assert copied == ["memory/requirements.txt", "memory", "sizing"]
    assert all((ROOT / name).exists() for name in copied)
    ignored = RECIPE.with_name("Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in ignored if not line.startswith("#")] == [
        "*",
        "!memory",
        "!sizing",
        "**/__pycache__",
    ]


def test_no_secret_is_named() -> None:
    words = " ".join([*of("ENV"), *of("ARG"), *of("LABEL")]).lower()
    assert not re.search(r"password|secret|token|api.?key", words)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["memory.service"], 2, "ENGRAM_API_KEYS_FILE: Field required"),
        (["memory", "--help"], 0, "schema"),
    ],
)
def test_what_is_copied_is_enough_to_start(
    tmp_path: Path, command: list[str], code: int, words: str
) -> None:
    """In a folder that holds what the image does, and cannot be written to."""
    without = shutil.ignore_patterns("__pycache__")
    for name in ("memory", "sizing"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=without)
    ended = subprocess.run(
        [sys.executable, "-B", "-P", "-m", *command],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, words in ended.stdout + ended.stderr) == (code, True), ended.stderr
