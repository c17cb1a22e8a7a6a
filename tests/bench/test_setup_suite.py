"""Set-up is raced against Go alone, each build from a cold cache; with a Go that builds nothing."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.figures import evaluate
from bench.measure import Sample, Stopwatch, Work, race
from bench.place import temporary_place
from bench.setup_suite import ALONE, GOAL, MODULES, Workshop, setup

GO = """
import json, os, pathlib, sys

command, *rest = sys.argv[2:]
cache = pathlib.Path(os.environ.get("GOCACHE", "/nowhere"))
with open(sys.argv[1], "a") as log:
    asked = {"command": command, "arguments": rest, "module": pathlib.Path.cwd().name}
    print(json.dumps({**asked, "cache": str(cache), "cold": not cache.exists()}), file=log)
if command == "version":
    print("go version go1.99.0 linux/amd64")
if "-m" in rest:
    source = pathlib.Path(sys.argv[0]).with_name("source")
    print(source)
if command == "build":
    cache.mkdir(parents=True, exist_ok=True)
    target = pathlib.Path(rest[rest.index("-o") + 1])
    target.mkdir(parents=True, exist_ok=True)
    for package in rest[rest.index("-o") + 2 :]:
        name = next(part for part in reversed(package.split("/")) if part not in ("v2", "v3"))
        (target / name).write_text("tool")
"""
MODULE_NAMES = {module.name for module in MODULES}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a Go first on ``PATH`` notes what it was asked."""
    program, log = tmp_path / "go.py", tmp_path / "asked"
    program.write_text(GO)
    for module in MODULES:
        for _, files in module.documents.values():
            for file in files:
                (tmp_path / "source" / file).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "source" / file).write_text("kind: Stage\n")
    words = shlex.join([sys.executable, str(program), str(log)])
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    return log


def asked(log: Path, command: str) -> list[dict[str, Any]]:
    """Return what Go was asked for, in order."""
    lines = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["command"] == command]


def taking(*seconds: float) -> Stopwatch:
    """A stopwatch whose runs take so long, one after the other."""
    left = list(seconds)

    def measure(run: Work) -> Sample:
        run()
        return Sample(wall_seconds=left.pop(0), cpu_seconds=0)

    return measure


def test_a_round_builds_all_of_it_twice_and_always_from_cold(log: Path) -> None:
    with temporary_place() as paths, setup(paths) as suite:
        sources = asked(log, "list")
        race(suite, 2, lambda _: None)
    assert {line["module"] for line in sources} == MODULE_NAMES, "sources are there before"
    builds = asked(log, "build")
    # In the first round it is set-up's turn to begin, in the second the baseline's.
    together, alone, alone_again, together_again = builds[:2], builds[2:4], builds[4:6], builds[6:]
    assert {line["module"] for line in together} == MODULE_NAMES
    assert [line["module"] for line in alone] == [module.name for module in MODULES]
    assert [len({line["cache"] for line in part}) for part in (together, alone)] == [1, 2]
    assert all(line["cold"] for line in (together[0], *alone, *alone_again, together_again[0]))


def test_both_sides_build_the_same_with_the_same_flags(log: Path) -> None:
    with temporary_place() as paths, setup(paths) as suite:
        race(suite, 1, lambda _: None)
    told: dict[str, set[tuple[str, ...]]] = {}
    for line in asked(log, "build"):
        words = tuple(w for w in line["arguments"] if w != "-v" and not w.startswith("/"))
        told.setdefault(line["module"], set()).add(words)
    assert {name: len(ways) for name, ways in told.items()} == dict.fromkeys(MODULE_NAMES, 1)


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(("seconds", "ratio", "met"), [(109, 1.09, True), (120, 1.2, False)])
def test_the_ratio_is_set_up_to_the_two_builds_together(
    seconds: float, ratio: float, met: bool
) -> None:
    with temporary_place() as paths, setup(paths) as suite:
        # The first round begins with set-up, the second with Go; the first was twice as slow.
        measure = taking(2 * seconds, 200, 100, seconds)
        samples = race(suite, 2, lambda _: None, measure=measure)
    alone, both = evaluate(suite, samples)
    assert (alone.name, alone.comparison) == (ALONE, None)
    assert both.comparison is not None
    assert both.comparison.ratio.median == pytest.approx(ratio)
    assert (both.comparison.goal, both.comparison.met) == (GOAL, met)


def test_a_build_that_fails_is_told_in_gos_words(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho no such package >&2\nexit 1\n")
    go.chmod(0o755)
    workshop = Workshop(go=go, folder=tmp_path / "workshop")
    with pytest.raises(BenchError, match="`go build` of engine failed:\nno such package"):
        workshop.build_alone()
