"""Reads ``stacks/images.yaml``: repository, tag and digest of every image."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator

from stacks.settings.base import Settings
from stacks.settings.cluster import ImageSettings
from stacks.settings.cluster_types import Digest
from stacks.settings.types import matching

VERSIONS = Path(__file__).parent.parent / "images.yaml"

NO_CONTENT = "sha256:" + 64 * "0"
"""A digest that no content has: the tracked files carry it where the customer's registry tells.

A pod with it waits for its image for ever, which is what a placeholder must do.
"""

Tag = Annotated[
    str,
    AfterValidator(
        matching(r"\w[\w.-]{0,127}", "the tag of an image", "put a tag of digits in quotes")
    ),
]
Repository = Annotated[
    str,
    AfterValidator(
        matching(
            r"[a-z0-9.-]+\.[a-z]+(/[a-z0-9._-]+)+",
            "<registry>/<repository>",
            "name the registry too, e.g. docker.io/zepai/zep",
        )
    ),
]


class ImageSource(Settings):
    """Where an image comes from, and which one it is."""

    repository: Repository
    tag: Tag
    digest: Digest | None

    @property
    def registry(self) -> str:
        """The host that serves it."""
        return self.repository.split("/", 1)[0]

    @property
    def path(self) -> str:
        """The repository within its registry."""
        return self.repository.split("/", 1)[1]


class ImageSources(Settings):
    """The versions file."""

    zep: ImageSource
    pooler: ImageSource
    graphiti: ImageSource
    graph_store: ImageSource
    gateway: ImageSource
    memory_service: ImageSource


SOURCES = ImageSources.model_validate(yaml.safe_load(VERSIONS.read_text(encoding="utf-8")))
NAMES: tuple[str, ...] = tuple(ImageSources.model_fields)


def source(name: str) -> ImageSource:
    """Return the entry of the versions file."""
    found: ImageSource = getattr(SOURCES, name)
    return found


def digest(images: ImageSettings, name: str) -> str | None:
    """Return the digest of an image: the stack's, else the one of the versions file."""
    chosen: str | None = getattr(images.digests, name)
    return chosen or source(name).digest
