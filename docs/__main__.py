"""``python -m docs``: writes the reference pages anew from the code they describe."""

import sys

from docs.generator import REFERENCE, pages


def main() -> int:
    """Write every page; return the exit code."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"docs/reference/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
