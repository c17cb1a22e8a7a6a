"""Complete references of the images, from the versions file and a stack's settings."""

from dataclasses import dataclass

from stacks.settings.cluster import ImageSettings
from stacks.settings.image_sources import digest, source


@dataclass(frozen=True, kw_only=True)
class Images:
    """What each container pulls: ``<registry>/<repository>:<tag>@<digest>``."""

    zep: str
    pooler: str
    graphiti: str
    graph_store: str
    gateway: str
    memory_service: str


def images(settings: ImageSettings) -> Images:
    """Return the references.  Without a digest, a reference ends with its tag."""
    return Images(
        zep=_reference(settings, "zep"),
        pooler=_reference(settings, "pooler"),
        graphiti=_reference(settings, "graphiti"),
        graph_store=_reference(settings, "graph_store"),
        gateway=_reference(settings, "gateway"),
        memory_service=_pinned(settings, "memory_service", _memory_service(settings)),
    )


def _reference(settings: ImageSettings, name: str) -> str:
    image = source(name)
    registry = settings.registry or image.registry
    return _pinned(settings, name, f"{registry}/{image.path}:{image.tag}")


def _memory_service(settings: ImageSettings) -> str:
    """No mirror keeps an image that was never released."""
    unreleased = source("memory_service")
    return settings.memory_service or f"{unreleased.repository}:{unreleased.tag}"


def _pinned(settings: ImageSettings, name: str, tagged: str) -> str:
    content = digest(settings, name)
    return f"{tagged}@{content}" if content else tagged
