"""components/zep.py: zep.yaml, filled by Go's own templates"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from components.pooler import Login
from components.zep import configuration
from local.paths import Paths
from local.toolchain.golang import go_for
from local.toolchain.report import Report

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).with_name("zep_template.go")
TEMPLATE = configuration(Login(database="zep", user="zep_app"), "zep")
MINIMUM = (1, 21)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template's filler; it needs Go's standard library alone."""
    built = tmp_path_factory.mktemp("go") / "zep-template"
    go = go_for(MINIMUM, Paths.current(), Report(Console(quiet=True)))
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOPROXY": "off", "CGO_ENABLED": "0"}
    # As the toolchain is built, so that the standard library is compiled once for both.
    flags = ("-trimpath", "-gcflags=all=-dwarf=false")
    subprocess.run([go, "build", *flags, "-o", built, SOURCE], env=environment, check=True)
    return built


def fill(program: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program], input=TEMPLATE, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "secret",
    [
        "Plain1",
        "a #b",
        'a"b',
        "a:b",
        "%q%s",
        "a\\b",
        "{{ .X }}",
        "0123",
        "null",
        "- a",
        "é…",
        "a'b",
    ],
)
def test_a_secret_arrives_as_it_is(secret: str, program: Path) -> None:
    filled = fill(program, {"ZEP_PG_PASSWORD": secret, "ZEP_API_SECRET": secret})
    settings = yaml.safe_load(filled.stdout)
    assert (settings["postgres"]["password"], settings["api_secret"]) == (secret, secret)


@pytest.mark.parametrize("variable", ["ZEP_PG_PASSWORD", "ZEP_API_SECRET"])
def test_a_missing_secret_stops_the_start(variable: str, program: Path) -> None:
    both = {"ZEP_PG_PASSWORD": "secret", "ZEP_API_SECRET": "secret"}
    filled = fill(program, {**both, variable: ""})
    assert filled.returncode == 1
    assert f"missing environment variable: {variable}" in filled.stderr
