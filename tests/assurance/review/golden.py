"""Writes the golden comments anew: ``python -m tests.assurance.review.golden``."""

from pathlib import Path

from assurance.review.comment import comment
from assurance.review.review import Review, assemble
from sizing.prices import PriceBook

HERE = Path(__file__).parent
RECORDED = HERE / "recorded"
GOLDEN = HERE / "golden"
CASES = ("sku", "dimension", "tls", "docs")


def reviewed(case: str, *labels: str) -> Review:
    """Return the review of a recorded pull request."""
    return assemble(RECORDED / case, frozenset(labels), PriceBook(), "USD")


def main() -> None:
    """Write all of them."""
    GOLDEN.mkdir(exist_ok=True)
    for case in CASES:
        page = comment(reviewed(case))
        (GOLDEN / f"{case}.md").write_text(page.markdown, encoding="utf-8")


if __name__ == "__main__":
    main()
