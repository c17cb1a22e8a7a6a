"""assurance/review/markdown.py and html.py"""

import pytest

from assurance.review.blocks import (
    Block,
    Callout,
    Code,
    Details,
    Heading,
    Listing,
    Paragraph,
    Source,
    Strong,
    Table,
    Tone,
)
from assurance.review.html import html
from assurance.review.markdown import markdown

EVIL = "<script>alert(1)</script>"

MARKDOWN: list[tuple[Block, str]] = [
    (Heading("Size *and* cost"), "### Size \\*and\\* cost"),
    (Paragraph(("a_b ", Strong("now"), " ", Code("x|y`z"))), "a\\_b **now** `` x\\|y`z ``"),
    (Paragraph(("ask @everybody",)), "ask @&#8203;everybody"),
    (Paragraph(("ask &commat;all & you",)), "ask &amp;commat;all &amp; you"),
    (Details("@a", ()), "<details><summary>@&#8203;a</summary>\n\n\n\n</details>"),
    (Paragraph((Code("two\nlines"),)), "`two lines`"),
    (Paragraph((Code(""),)), "(empty)"),
    (Paragraph((EVIL,)), "\\<script\\>alert(1)\\</script\\>"),
    (Listing((("one",), ("two",))), "- one\n- two"),
    (
        Table(("what", "n"), ((("a",), ("1",)),), right=frozenset({1})),
        "| what | n |\n|:--|--:|\n| a | 1 |",
    ),
    (Source("sql", "a ```` b"), "`````sql\na ```` b\n`````"),
    (Callout(Tone.CAUTION, (Paragraph(("stop",)),)), "> [!CAUTION]\n> stop"),
    (
        Details("a < b", (Paragraph(("c",)),)),
        "<details><summary>a &lt; b</summary>\n\nc\n\n</details>",
    ),
]


@pytest.mark.parametrize(("block", "text"), MARKDOWN)
def test_markdown_reads_nothing_into_foreign_words(block: Block, text: str) -> None:
    assert markdown([block]) == f"{text}\n"


@pytest.mark.parametrize("block", [block for block, _ in MARKDOWN])
def test_every_block_has_html(block: Block) -> None:
    assert "<main>\n<" in html("t", [block])


@pytest.mark.parametrize(
    "block",
    [
        Heading(EVIL),
        Paragraph((EVIL, Strong(EVIL), Code(EVIL))),
        Source("text", EVIL),
        Table((EVIL,), (((Code(EVIL),),),)),
        Listing(((EVIL,),)),
        Details(EVIL, (Paragraph((EVIL,)),)),
    ],
)
def test_html_runs_nothing(block: Block) -> None:
    page = html(EVIL, [block])
    assert "<script" not in page
    assert "http" not in page, "the page needs nothing but itself"


def test_a_callout_says_its_tone_in_words() -> None:
    assert "<strong>Caution</strong>" in html("t", [Callout(Tone.CAUTION, ())])
