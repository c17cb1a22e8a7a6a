"""Which handler answers for which of Azure's names.

To add one: write its file with ``handle(world, request)``, and name it here.
"""

import re
from collections.abc import Callable
from importlib import import_module

from local.cloud.door.messages import Handler

NAMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"login\.microsoftonline\.com"), "local.cloud.door.entra"),
    (re.compile(r"[a-z0-9-]+\.vault\.azure\.net"), "local.cloud.door.vault"),
    (re.compile(r"management\.azure\.com"), "local.cloud.door.arm"),
    (re.compile(r"[a-z0-9-]+\.openai\.azure\.com"), "local.cloud.door.models"),
)
"""A name, and the module whose ``handle`` answers for it; imported when it is first asked for."""


def handler_of(host: str) -> Handler | None:
    """Return who answers for a host; ``None`` where nobody does."""
    module = next((module for name, module in NAMES if name.fullmatch(host.lower())), None)
    if module is None:
        return None
    handle: Handler = import_module(module).handle
    return handle


HandlerOf = Callable[[str], Handler | None]
