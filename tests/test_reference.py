"""The reference pages say what the code says, and leave nothing out."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from docs.generator import REFERENCE, commands, outputs, pages, settings
from docs.generator.text import field_docs, sentence, table
from stacks.outputs import StackOutputs

ROOT = Path(__file__).parent.parent
STACK_FILES = sorted(ROOT.glob("Pulumi.*.yaml"))


def test_the_committed_pages_are_those_of_the_code() -> None:
    committed = {page.name: page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md")}
    written = pages()
    stale = {name for name, text in written.items() if committed.get(name) != text}
    assert stale | (committed.keys() - written.keys()) == set(), "run `make docs`"


NAMES_ARE_FREE = ("parameters", "roles", "node_selector")
"""Objects whose keys the reader chooses."""


def _leaves(settings_object: Mapping[str, object], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings_object.items():
        if isinstance(value, Mapping) and key not in NAMES_ARE_FREE:
            yield from _leaves(value, f"{path}.{key}".lstrip("."))
        else:
            yield path, key


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda f: f.name)
def test_every_key_of_a_stack_file_is_explained(file: Path) -> None:
    sections: dict[str, str] = {}
    for block in settings.page().split("\n### ")[1:]:
        name = block.split("`")[1]
        sections[name] = sections.get(name, "") + block
    sections[""] = settings.page().split("### ", 1)[0]
    configured = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]["engram:settings"]
    leaves = list(_leaves(configured))
    assert leaves
    assert [leaf for leaf in leaves if f"| `{leaf[1]}` |" not in sections.get(leaf[0], "")] == []


@pytest.mark.parametrize(
    "line",
    [
        "| `azure-native:subscriptionId` | a GUID, e.g. 8d2b8a6e-7c1f-4f0e-9a55-0c3f1c8e7b21 |",
        "| `retention_days` | a whole number from 7 to 35 | required |",
        "| `max_replicas` | a whole number, 1 or more | required |",
        "| `vacuum_scale_factor` | a number from 0 to 1 | required |",
        '| `standby_zone` | `"1"`, `"2"`, `"3"` | none |',
        "| `element_type` | `vector`, `halfvec` | required | 4 or 2 bytes an element. |",
        "### `postgres`, kind `existing`",
        "### `key_vault.geo_key`, optional",
        "| `work_mem` | 4096 | 2097151 |",
        '| `zones` | a list, each entry `"1"`, `"2"`, `"3"` | required |',
        "| `roles` | an object of `read`, `write`, `admin` by name | required |",
        "| `peered_spaces` | a list, each entry an IPv4 range, e.g. 10.20.0.0/16 | none |",
        "| `cpu` | a number from 0.01 to 64 | required |",
        "### `workloads.gateway.sign_on`, optional",
        "### `workloads.graph_store`, kind `existing`",
        "| `cluster.kind` is `existing` | the kubeconfig of an existing cluster |",
        "| burstable has no pooler | Azure hides `pgbouncer.enabled` on Burstable servers. |",
        "/subscriptions/&lt;id>/",
    ],
)
def test_a_setting_shows_its_bounds_default_and_meaning(line: str) -> None:
    assert line in settings.page()


@pytest.mark.parametrize(
    "line",
    [
        "## `memory.roles`",
        "| `id` | text or null |",
        "| `databases` | a list of text |",
        "| `search_settings` | an object of text by name | What a transaction sets",
    ],
)
def test_an_output_shows_what_a_consumer_gets(line: str) -> None:
    assert line in outputs.page()


def test_every_output_is_listed() -> None:
    assert [
        name for name in StackOutputs.__annotations__ if f"`{name}`" not in outputs.page()
    ] == []


@pytest.mark.parametrize(
    "line",
    [
        "### `python -m local destroy`",
        "| `--unprotect` | lift the protection",
        "### `python -m memory schema verify`\n\nProve a live schema.",
        "| `--dimensions DIMENSIONS` | of the vectors, default: 1536 |",
        "| `--stack dev\\|test\\|uat\\|prod` | default: dev |",
    ],
)
def test_a_command_shows_its_options(line: str) -> None:
    assert line in commands.page()


def test_options_of_all_commands_are_told_once() -> None:
    assert commands.page().count("`--stack dev") == 1


class _Documented:
    """A class."""

    said: int
    """Why."""
    silent: int
    last: str = ""
    """Several
    lines."""


def test_the_string_under_a_field_is_its_meaning() -> None:
    assert field_docs(_Documented) == {"said": "Why.", "last": "Several\n    lines."}


def test_a_table_keeps_bars_and_tags_in_their_cell() -> None:
    assert table(("a", "b"), [("``x|y``", "<id>")]) == "| a | b |\n|---|---|\n| `x\\|y` | &lt;id> |"


def test_a_table_without_rows_is_nothing() -> None:
    assert table(("a",), []) == ""


@pytest.mark.parametrize(("words", "said"), [("do it", "Do it."), ("Done.", "Done."), ("", "")])
def test_a_help_text_becomes_a_sentence(words: str, said: str) -> None:
    assert sentence(words) == said
