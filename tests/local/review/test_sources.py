"""local/review/sources.py, with git itself"""

import subprocess
from pathlib import Path

import pytest

from local.errors import LocalError
from local.review import sources


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    answer = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
    return answer.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with a branch ``main``, from which a branch departed before main went on."""
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "a.py").write_text("1", encoding="utf-8")
    (folder / "b.py").write_text("1", encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "one")
    git(folder, "checkout", "--quiet", "-b", "change")
    git(folder, "checkout", "--quiet", "main")
    (folder / "b.py").write_text("2", encoding="utf-8")
    git(folder, "commit", "--quiet", "--all", "-m", "two")
    git(folder, "checkout", "--quiet", "change")
    return folder


def test_compares_with_where_the_branch_departed(clone: Path) -> None:
    base = sources.common_base(clone, "main")
    assert base == git(clone, "rev-parse", "main~1")
    assert sources.changed_files(clone, base) == [], "what main did since is not of the change"


def test_a_merge_is_compared_with_what_it_was_merged_into(clone: Path, tmp_path: Path) -> None:
    """As GitHub gives a pull request to the workflow: the merge and its parents, no more."""
    (clone / "a.py").write_text("3", encoding="utf-8")
    git(clone, "commit", "--quiet", "--all", "-m", "three")
    git(clone, "checkout", "--quiet", "main")
    git(clone, "merge", "--quiet", "--no-ff", "--no-edit", "change")
    merged = tmp_path / "merged"
    git(tmp_path, "clone", "--quiet", "--depth=2", clone.as_uri(), str(merged))
    base = sources.common_base(merged, "HEAD^1")
    assert base == git(clone, "rev-parse", "main~1")
    assert sources.changed_files(merged, base) == ["a.py"]


def test_what_is_not_committed_and_what_is_new_counts(clone: Path) -> None:
    (clone / "a.py").write_text("3", encoding="utf-8")
    (clone / "ein neuer Ort.md").write_text("x", encoding="utf-8")
    (clone / ".gitignore").write_text("ignored\n", encoding="utf-8")
    (clone / "ignored").write_text("x", encoding="utf-8")
    found = sources.changed_files(clone, sources.common_base(clone, "main"))
    assert found == [".gitignore", "a.py", "ein neuer Ort.md"]


def test_what_is_moved_away_counts_where_it_was(clone: Path) -> None:
    (clone / "docs").mkdir()
    git(clone, "mv", "a.py", "docs/a.py")
    found = sources.changed_files(clone, sources.common_base(clone, "main"))
    assert found == ["a.py", "docs/a.py"]
    assert sources.engine_needed(found)


def test_unpacks_the_files_of_a_commit_and_leaves_the_clone_alone(
    clone: Path, tmp_path: Path
) -> None:
    (clone / "a.py").write_text("3", encoding="utf-8")
    folder = tmp_path / "base"
    folder.mkdir()
    sources.unpack(clone, sources.common_base(clone, "main"), folder)
    assert {file.name: file.read_text() for file in folder.iterdir()} == {"a.py": "1", "b.py": "1"}
    assert git(clone, "worktree", "list").count("\n") == 0


def test_an_unknown_base_says_what_a_base_is(clone: Path) -> None:
    with pytest.raises(LocalError, match="BASE is a branch, tag or commit that this clone has"):
        sources.common_base(clone, "nowhere")


@pytest.mark.parametrize(
    ("files", "needed"),
    [
        ([], False),
        (["README.md", "docs/a.svg", "tests/x.py", "LICENSE", ".github/workflows/a.yml"], False),
        (["docs/a.md", "Pulumi.dev.yaml"], True),
        (["components/postgres.py"], True),
        (["memory/schema/plan.py"], True),
        (["assurance/policies/exceptions.yaml"], True),
        (["requirements.txt"], True),
        (["documents.py"], True),
    ],
)
def test_only_what_the_program_reads_needs_an_engine(files: list[str], needed: bool) -> None:
    assert sources.engine_needed(files) is needed
