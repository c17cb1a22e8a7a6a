"""The service keeps its own OpenAPI: what it describes it does, and nothing makes it fail."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memory.operations.embeddings_server import serving
from tests.memory.service.conftest import Start
from tests.memory.service.memories import vector
from tests.memory.service.running import KEY, Service

EXAMPLES = 10
"""Of each operation; ``SCHEMATHESIS_EXAMPLES`` asks for more."""


@pytest.fixture(scope="module")
def described(start: Start) -> Iterator[Service]:
    """A service with a model."""
    with serving(lambda texts: [vector(1) for _ in texts]) as endpoint:
        yield start(
            ENGRAM_MODEL_ENDPOINT=endpoint.url,
            ENGRAM_EMBEDDING_MODEL="m",
            ENGRAM_ENCRYPTED_FIELDS="among-no-examples",
        )


# What no schema says: a vector of zeros has no direction, a text deep in metadata may hold no NUL,
# an id may be named once, and of two parameters one is wanted.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 409, 422]
[checks.not_a_server_error]
expected-statuses = ["2xx", "4xx"]
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_schemathesis_finds_nothing(described: Service, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{described.url}/openapi.json",
            *("--header", f"Authorization: Api-Key {KEY}"),
            *("--max-examples", os.environ.get("SCHEMATHESIS_EXAMPLES", str(EXAMPLES))),
            *("--seed", "8"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
