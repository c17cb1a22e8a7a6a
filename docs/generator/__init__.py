"""The reference pages, made from the code, so that they cannot disagree with it.

One module a page; a test compares the committed pages with what these would write.
"""

from pathlib import Path

from docs.generator import capacity, commands, outputs, policies, proof, settings

REFERENCE = Path(__file__).parent.parent / "reference"
PAGES = {
    "settings.md": settings.page,
    "outputs.md": outputs.page,
    "commands.md": commands.page,
    "environments-capacity.md": capacity.page,
    "policies.md": policies.page,
    "policy-proof.md": proof.page,
}


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    return {name: page() for name, page in PAGES.items()}
