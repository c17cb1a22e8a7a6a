"""The folder that the auditor gets: the same for the same truths, sealed, and without a secret."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assurance.compliance import folder, seal
from assurance.compliance.model import Verdict
from assurance.errors import AssuranceError
from assurance.policies.model import Secret
from local.paths import Paths
from tests.assurance.compliance.truths import AT, assessed, clean
from tests.deployment import KUBECONFIG, PASSWORD

TRESTLE = Paths.current().venv.parent / "trestle" / "bin" / "trestle"
OPENSSL = shutil.which("openssl")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@cache
def files(stack: str = "prod") -> dict[str, bytes]:
    truths = clean(stack)
    return folder.files(assessed(truths), truths)


def sealed() -> dict[str, bytes]:
    return seal.seal(files(), stack="prod", at=AT, key=KEY)


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    for name, content in sealed().items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_the_same_truths_give_the_same_bytes() -> None:
    files.cache_clear()
    first = sealed()
    files.cache_clear()
    assert sealed() == first


def secrets(value: Any) -> Iterator[str]:
    if isinstance(value, Secret):
        value = value.value if isinstance(value.value, Mapping) else {"": value.value}
        yield from (text for text in value.values() if isinstance(text, str))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from secrets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from secrets(inner)


def test_no_secret_of_the_program_is_in_any_file() -> None:
    known = {text for r in clean().declared.resources for text in secrets(r.raw)}
    assert any(text.startswith(PASSWORD) for text in known), "the search knows no secret"
    everything = b"\n".join(sealed().values()).decode("utf-8", "replace")
    assert [text for text in known | {PASSWORD, KUBECONFIG} if text in everything] == []
    assert "PRIVATE KEY" not in everything


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", [False, True])
def test_trestle_accepts_the_results(tmp_path: Path, spoilt: bool) -> None:
    document = json.loads(files()["assessment-results.json"])
    if spoilt:
        document["assessment-results"]["results"][0]["observations"][0]["methods"] = []
    place = tmp_path / "assessment-results" / "stack" / "assessment-results.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(document), encoding="utf-8")
    quiet = {**os.environ, "HOME": str(tmp_path)}
    for words in (("init", "--local"), ("validate", "-f", str(place))):
        done = subprocess.run(
            [TRESTLE, *words], cwd=tmp_path, env=quiet, capture_output=True, text=True, check=False
        )
    assert ("VALID: Model" in done.stdout) is not spoilt, done.stdout + done.stderr


STATES = {
    Verdict.SATISFIED: "satisfied",
    Verdict.EXCEPTED: "satisfied",
    Verdict.NOT_SATISFIED: "not-satisfied",
}


def test_what_is_satisfied_with_exceptions_says_so_everywhere() -> None:
    (result,) = json.loads(files()["assessment-results.json"])["assessment-results"]["results"]
    (finding,) = (each for each in result["findings"] if each["title"] == "MEASURE 2.7")
    status = finding["target"]["status"]
    assert (status["state"], status["reason"]) == ("satisfied", "other")
    assert status["remarks"].startswith("Satisfied with exceptions. ")
    approved = {each["uuid"] for each in result["risks"] if each["status"] == "deviation-approved"}
    assert {each["risk-uuid"] for each in finding["related-risks"]} <= approved
    number = assessed(clean()).counts()[Verdict.EXCEPTED]
    assert number
    assert f"<b>△ {number}</b> control" in files()[folder.PAGE].decode()


def test_findings_are_of_what_was_assessed_and_of_nothing_else() -> None:
    truths = clean()
    assessment = assessed(truths)
    (result,) = json.loads(files()["assessment-results.json"])["assessment-results"]["results"]
    found = {each["title"]: each["target"]["status"]["state"] for each in result["findings"]}
    wanted = {
        each.objective.id: STATES[each.verdict]
        for control in assessment.controls
        for each in control.results
        if each.verdict != "not assessed"
    }
    assert found == wanted
    (selection,) = result["reviewed-controls"]["control-selections"]
    out = {each["control-id"] for each in selection["exclude-controls"]}
    assert "govern-1.1" in out
    assert "ai-sec-01" in {each["control-id"] for each in selection["include-controls"]}
    assert "- GOVERN 1.1: The register of laws" in result["reviewed-controls"]["remarks"]


def test_a_folder_as_it_was_signed_is_verified(evidence: Path) -> None:
    found = seal.verify(evidence)
    assert (found.stack, found.files) == ("prod", len(files()))


def test_openssl_alone_verifies_the_signature(evidence: Path) -> None:
    assert OPENSSL, "openssl is not installed"
    words = "pkeyutl -verify -pubin -inkey signing-key.pub.pem -rawin -in manifest.json"
    command = [OPENSSL, *words.split(), "-sigfile", "manifest.json.sig"]
    done = subprocess.run(command, cwd=evidence, capture_output=True, text=True, check=False)
    assert "Signature Verified Successfully" in done.stdout, done.stderr


def change(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"a", b"b", 1))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: change(f / "tde-manifest.json"), "tde-manifest.json was changed after it was"),
        (lambda f: (f / "index.html").unlink(), "index.html is missing"),
        (lambda f: (f / "more.json").write_text("{}"), "more.json was added after the signing"),
        (lambda f: change(f / "manifest.json"), "manifest.json is not what the key .* signed"),
        (lambda f: (f / "manifest.json.sig").unlink(), "manifest.json.sig: No such file"),
    ],
)
def test_what_was_changed_is_named(evidence: Path, spoil: Any, words: str) -> None:
    spoil(evidence)
    with pytest.raises(AssuranceError, match=words):
        seal.verify(evidence)


def test_a_folder_of_somebody_else_is_not_believed(evidence: Path, tmp_path: Path) -> None:
    mine = tmp_path / "elsewhere" / "auditors.pem"
    mine.parent.mkdir()
    mine.write_bytes(
        seal.seal({}, stack="", at=AT, key=Ed25519PrivateKey.generate())[seal.PUBLIC_KEY]
    )
    with pytest.raises(AssuranceError, match=r"is not what the key .* signed"):
        seal.verify(evidence, mine)


def test_the_signing_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "signing-key.pem"
    made = seal.signing_key(file)
    assert file.stat().st_mode & 0o077 == 0
    assert seal.signing_key(file).private_bytes_raw() == made.private_bytes_raw()


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text("nothing")
    with pytest.raises(AssuranceError, match=r"is no Ed25519 key in PEM.*openssl genpkey"):
        seal.signing_key(file)


def test_the_page_needs_nothing_else_and_says_it_without_colour() -> None:
    page = files()[folder.PAGE].decode()
    assert "<script" not in page
    assert "http://" not in page
    assert "src=" not in page
    assert "@media print" in page
    assert 'name="viewport"' in page
    for words in ("✓ satisfied", "✗ not satisfied", "○ not assessed", "Known gap of AI-SEC-01.2c"):
        assert words in page


def test_what_a_deployment_says_is_no_markup() -> None:
    truths = clean()
    assert truths.database is not None
    login = {"name": "<script>alert(1)</script>", "superuser": False}
    spoilt = replace(truths, database={**truths.database, "logins": [login]})
    page = folder.files(assessed(spoilt), spoilt)[folder.PAGE].decode()
    assert "login &lt;script&gt;alert(1)&lt;/script&gt; is nobody" in page
    assert "<script" not in page


def thesis(out: Path) -> None:
    (out / "thesis.txt").write_text("mine")


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"manifest.json": b"{}"},
        {"manifest.json": b'{"stack": "", "at": "", "files": []}'},
        {seal.SIGNATURE: b"", seal.PUBLIC_KEY: b"", "manifest.json": b'{"name": "an extension"}'},
        {seal.SIGNATURE: b"", seal.PUBLIC_KEY: b"", "manifest.json": b"PK"},
    ],
)
def test_a_folder_that_only_looks_like_evidence_is_left_alone(
    tmp_path: Path, manifest: dict[str, bytes]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    thesis(out)
    for name, content in manifest.items():
        (out / name).write_bytes(content)
    with pytest.raises(AssuranceError, match="holds files that are no evidence"):
        folder.write(out, sealed())
    assert (out / "thesis.txt").read_text() == "mine"


def test_a_folder_of_ours_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "place" / "out"
    folder.write(out, sealed())
    (out / "stale.json").write_text("{}")
    folder.write(out, sealed())
    assert {each.name for each in out.iterdir()} == sealed().keys()
    assert [each.name for each in out.parent.iterdir()] == ["out"]


def test_what_cannot_be_written_leaves_the_earlier_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder.write(out, sealed())
    with pytest.raises(FileNotFoundError, match="no/such/folder"):
        folder.write(out, {"index.html": b"", "no/such/folder": b""})
    assert seal.verify(out).stack == "prod"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
