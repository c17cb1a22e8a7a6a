"""commands.md: the command lines, from the parsers that read them."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import assurance.__main__
import local.__main__
import memory.__main__
import sizing.__main__
import sizing.cli
import tools.bootstrap
import tools.helm_values
import tools.resizing.cli
from docs.generator.text import document, prose, sentence, table

ROOT = Path(__file__).parent.parent.parent
HEAD = ("option", "meaning")


def page() -> str:
    """Return the whole page."""
    blocks = [
        "`make <command>` calls `python -m local <command>` with the Python of `.local/venv`;"
        " `ARGS` hands on further options, e.g. `make up ARGS=--json`.",
        *_chapter(local.__main__.parser()),
        *_chapter(memory.__main__.parser()),
        *_chapter(assurance.__main__.parser()),
        *_chapter(sizing.__main__.parser()),
        *_chapter(_called("python tools/postgres-sizer.py", sizing.cli.parser())),
        *_chapter(tools.resizing.cli.parser()),
        *_chapter(tools.helm_values.parser()),
        *_chapter(tools.bootstrap.parser()),
    ]
    return document("Commands", "the parsers of each `python -m …`", blocks)


def _called(words: str, top: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Name a program as it is typed; its own messages are shorter."""
    top.prog = words
    return top


def _chapter(top: argparse.ArgumentParser) -> Iterator[str]:
    """Describe a program: what all of its commands take, then each command."""
    leaves = list(_leaves(top, ""))
    options = [list(_options(leaf)) for leaf, _ in leaves]
    yield f"## `{top.prog}`"
    yield prose(top.description)
    if leaves == [(top, "")]:  # it is its own only command
        yield table(HEAD, options[0])
        yield prose(top.epilog)
        return
    shared = [option for option in options[0] if all(option in other for other in options)]
    if shared:
        yield "Every command takes:"
        yield table(HEAD, shared)
    for (leaf, words), own in zip(leaves, options, strict=True):
        yield f"### `{leaf.prog}`"
        yield sentence(prose(leaf.description or words))
        yield table(HEAD, (option for option in own if option not in shared))
        yield prose(leaf.epilog)


def _leaves(
    parser: argparse.ArgumentParser, words: str
) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Yield the commands that have none below them, each with its parent's words for it."""
    below = [
        (action.choices[shown.dest], shown.help or "")
        for action in _actions(parser)
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001 - see _actions
        for shown in action._get_subactions()  # noqa: SLF001 - see _actions
    ]
    for command, help_text in below:
        yield from _leaves(command, help_text)
    if not below:
        yield parser, words


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 - argparse publishes no list of its arguments


def _options(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    for action in _actions(parser):
        if action.option_strings and action.dest != "help":
            value = "|".join(action.choices or ()) or action.metavar or action.dest.upper()
            flag = action.option_strings[-1]
            yield [f"`{flag}`" if action.nargs == 0 else f"`{flag} {value}`", _meaning(action)]


def _meaning(action: argparse.Action) -> str:
    words = (action.help or "") % vars(action)
    if action.default in (None, False, []) or action.nargs == 0 or "default" in words:
        return words
    return f"{words}; default: {_here(action.default)}".removeprefix("; ")


def _here(default: object) -> object:
    """Say where a file of the project is from the project, not from the machine's root."""
    if isinstance(default, Path) and default.is_relative_to(ROOT):
        return default.relative_to(ROOT)
    return default
