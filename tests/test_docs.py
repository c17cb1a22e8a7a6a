"""The documentation names only what exists, and every decision and runbook is listed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`([\w./-]+)`")
TARGET = re.compile(r"`make ([\w-]+)")
LOOKS_LIKE_A_PATH = re.compile(
    r"^(?:(?:stacks|components|memory|local|tests|docs|bench|assurance|monitoring|sizing|tools|\.ci)/"
    r"[\w./-]+|[\w.-]+\.(?:py|md|toml|yaml|txt|in))$"
)
LATER = "not built yet"
"""A line that says so may name what a later release brings."""


def _lines(page: Path) -> list[str]:
    return page.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link for line in _lines(page) for link in LINK.findall(line)]
    inside = [link for link in links if not link.startswith(("http://", "https://", "mailto:"))]
    assert [link for link in inside if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_path_in_the_text_exists(page: Path) -> None:
    named = [
        code
        for line in _lines(page)
        if LATER not in line
        for code in CODE.findall(line)
        if LOOKS_LIKE_A_PATH.match(code)
    ]
    gone = [p for p in named if not (ROOT / p).exists() and not (page.parent / p).exists()]
    assert gone == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_make_target_in_the_text_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {target for line in _lines(page) for target in TARGET.findall(line)}
    assert {t for t in named if not re.search(rf"^[\w -]*\b{t}\b[\w -]*:", makefile, re.M)} == set()


@pytest.mark.parametrize("folder", ["adr", "runbooks"])
def test_every_page_of_a_folder_is_in_its_index(folder: str) -> None:
    index = (ROOT / "docs" / folder / "README.md").read_text(encoding="utf-8")
    pages = sorted(p.name for p in (ROOT / "docs" / folder).glob("*.md") if p.name != "README.md")
    assert [name for name in pages if name not in index] == []


def test_the_readme_shows_two_commands_for_a_start() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start = readme.split("## Start", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^make \w+", start, re.M) == ["make up", "make test"]


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    newest = re.search(r"^## \[(\d[\w.]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert version is not None
    assert newest is not None
    assert newest[1] == version[1]
