"""squawk, an outside judge, reads the first SQL that each stack would run."""

import subprocess
import sys
from pathlib import Path

import pytest

from memory.schema import render
from memory.schema.model import DesiredSchema
from memory.schema.plan import empty_catalog, plan
from tests.memory.test_plan import EXCLUDED
from tests.stacks.files import STACKS
from tests.stacks.rendered import deployed

SCHEMA = "pulumi-python:dynamic/memory:VectorSchema"


@pytest.mark.parametrize("name", STACKS)
def test_squawk_accepts_the_first_plan_of_every_stack(name: str, tmp_path: Path) -> None:
    declared = deployed(name).all(SCHEMA)
    assert len(declared) == 2
    for schema, inputs in declared.items():
        first = plan(empty_catalog(schema), DesiredSchema.model_validate(inputs["desired"]))
        script = tmp_path / f"{schema}.sql"
        script.write_text(render.as_sql(first), encoding="utf-8")
        excluded = [word for rule in EXCLUDED for word in ("--exclude", rule)]
        judged = subprocess.run(
            [Path(sys.executable).parent / "squawk", "--pg-version", "18", *excluded, str(script)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert judged.returncode == 0, judged.stdout
        assert "CREATE" in script.read_text(encoding="utf-8")
