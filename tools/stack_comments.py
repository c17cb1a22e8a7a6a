"""Comments of a stack file that state figures: when the figure changes, so must they.

Three kinds are known: what a SKU's name stands for, beside ``postgres.sku`` or an object around it;
the sum of connections above ``connections``; and any remark that states a figure of a value that
changed, beside or right above it, or beside an object around it.  Of the first two the figures are
written anew, and the third is removed.  So is a comment elsewhere that names the former SKU.

A figure is the former value itself or, right at the value, a number with a unit.  What is only
numbered (section 2, OPS-42, RFC 1234) stays.
"""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stacks.settings import budget
from stacks.settings.catalogue import SKUS
from stacks.settings.model import ManagedPostgres, StackSettings
from tools.yaml_text import Comment, Document, Edit, apply

SKU = "postgres.sku"
BUDGET = ("connections.", "workloads.memory_service.", "workloads.zep.", "postgres.built_in_pooler")
SUM = re.compile(
    r"(At most )?\(\d+ \+ \d+ in a roll-out\).*?= \d+( of \d+|, all that an? \w+ grants)"
)
SIZE = re.compile(r"\d+ vCores?, \d+ GiB, \d+ connections")
"""What ``sku_words`` says."""
NUMBERED = re.compile(
    r"(?i)\b(?:section|clause|chapter|page|step|rule|row|line|id|no\.?|number|issue|ticket|RFC)"
    r" ?#?\d[\w.]*"
)
"""A number that names something."""
NUMBER = re.compile(r"(?<![\w.,/:#-])\d+(?:[,_]\d{3})*(?:\.\d+)?(?![\w/:-])")
WITH_UNIT = re.compile(
    r"(?i)(?<![\w-])\d[\d.,_]* ?(?:%|[KMGT]i?B\b|v?(?:cores?|CPUs?)\b|connections?\b|IOPS\b|rows?\b"
    r"|pods?\b|replicas?\b|m?s\b|(?:second|minute|hour|day|week|month|year)s?\b"
    r"|(?:hundred|thousand|million|billion)\b)"
)
WIDTH = 96
"""Characters of a comment in a line, its indentation included."""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A comment that was written anew, or removed."""

    line: int
    """In the file as it would be with the old comments, from 1."""
    before: str
    after: str | None
    """None where it was removed."""

    def __str__(self) -> str:
        """One line."""
        now = "removed" if self.after is None else f"now «{self.after}»"
        return f"comment of line {self.line} «{self.before}»: {now}"


def sku_words(name: str) -> str:
    """Return what a SKU's name stands for, as the stack files say it."""
    size = SKUS[name]
    cores = "vCore" if size.vcores == 1 else "vCores"
    return f"{size.vcores} {cores}, {size.memory_gib} GiB, {size.user_connections} connections"


def budget_words(s: StackSettings) -> str:
    """Return the sum of connections as the stack files say it."""
    app, pods = s.connections.application, s.workloads.memory_service.max_replicas
    shares = budget.connection_budget(s)
    zep, pods_of_zep = shares["Zep"], s.workloads.zep.max_replicas
    parts = [
        f"({pods} + {budget.SURGE_PODS} in a roll-out) x {app.pool_size + app.max_overflow}"
        " memory service"
    ]
    if shares["its jobs"]:
        parts.append(f"{shares['its jobs']} its jobs")
    if shares["Azure's pooler"]:
        pooled = shares["Azure's pooler"] // budget.POOLED_LOGINS
        parts.append(f"{budget.POOLED_LOGINS} x {pooled} Azure's pooler")
    parts += [f"{pods_of_zep} x {zep // pods_of_zep} Zep", f"{shares['operators']} operators"]
    return f"At most {', '.join(parts)} = {shares['needed']} of {shares['granted']}"


def put_right(
    document: Document,
    root: Sequence[str],
    changed: Mapping[str, object],
    before: StackSettings,
    after: StackSettings,
) -> tuple[str, list[Remark]]:
    """Return the text with its comments put right, and what was done to them.

    ``document`` has the new values already; ``changed`` has the former ones by their paths below
    the keys ``root``.
    """
    page = _Page(document)
    old, new = _sku_of(before), _sku_of(after)
    for path, value in changed.items():
        at = [*root, *path.split(".")]
        former = _former(value) | (_of_sku(old) if path == SKU and old else set())
        words = sku_words(new) if path == SKU and new else None
        page.beside(at, former, words)
        page.above(at, former)
        for parent in range(len(root) + 1, len(at)):
            page.around(at[:parent], former, words)
    if any(path == SKU or path.startswith(BUDGET) for path in changed):
        tuned = any(path.startswith(BUDGET) for path in changed)
        page.sum_above([*root, "connections"], _sum(after), keep=not tuned)
    if SKU in changed and old:
        page.naming(old)
    return apply(document.text, page.edits), page.done


def _former(value: object) -> set[str]:
    """Return the words that a comment may state a value in."""
    if isinstance(value, Mapping):
        return set().union(*map(_former, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(_former, value))
    known = isinstance(value, int | float | str) and not isinstance(value, bool)
    return {str(value)} if known and re.search(r"\d", str(value)) else set()


def _of_sku(name: str) -> set[str]:
    """Return the figures that a size's name stands for, each with its unit."""
    size = SKUS[name]
    cores = {f"{size.vcores} {unit}" for unit in ("vCore", "vCores", "vCPU", "vCPUs", "cores")}
    return {*cores, f"{size.memory_gib} GiB", f"{size.user_connections} connections"}


def _sku_of(s: StackSettings) -> str | None:
    """Return the SKU of a draft, where it has one that exists."""
    server = getattr(s, "postgres", None)
    return getattr(server, "sku", None) if isinstance(server, ManagedPostgres) else None


def _sum(s: StackSettings) -> str | None:
    try:
        return budget_words(s)
    except AttributeError:  # a draft lacks what is wrong in the file
        return None


class _Page:
    """The comments of a document, each edited once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.left = document.comments()
        self.edits: list[Edit] = []
        self.done: list[Remark] = []

    def beside(self, keys: Sequence[str], former: set[str], size: str | None) -> None:
        """Put right what is behind a value in its line; ``size`` is what a SKU stands for now."""
        found = self.document.pair(keys)
        if found is not None:
            line = self.document.line_of(self.document.end(found[1]))
            self._put_right(line, size, lambda words: _states(words, former) or _has_unit(words))

    def around(self, keys: Sequence[str], former: set[str], size: str | None) -> None:
        """Put right what is beside the key of an object: only a former value is stale there."""
        found = self.document.pair(keys)
        if found is not None:
            self._put_right(found[0].start_mark.line, size, lambda words: _states(words, former))

    def _put_right(self, line: int, size: str | None, stale: Callable[[str], bool]) -> None:
        for comment in self._in(line, alone=False):
            words = self._words([comment])
            if size is not None and SIZE.search(words):
                self._replace([comment], SIZE.sub(size, words))
            elif stale(words):
                self._replace([comment], None)

    def above(self, keys: Sequence[str], former: set[str]) -> None:
        """Remove the block right above a key where it states a figure."""
        block = self._over(keys)
        words = self._words(block)
        if _states(words, former) or _has_unit(words):
            self._replace(block, None)

    def sum_above(self, keys: Sequence[str], summed: str | None, *, keep: bool) -> None:
        """Rewrite the sum in the block right above a key; without one it stays."""
        block = self._over(keys)
        words = self._words(block)
        if SUM.search(words):
            new = None if summed is None else _with_sum(words, summed, keep=keep)
            self._replace(block, new)

    def _over(self, keys: Sequence[str]) -> list[Comment]:
        found = self.document.pair(keys)
        if found is None:
            return []
        mark = found[0].start_mark
        return self._block_over(mark.line, mark.column)

    def naming(self, sku: str) -> None:
        """Remove every other comment that names a SKU."""
        name = re.compile(rf"\b(Standard_)?{re.escape(sku.removeprefix('Standard_'))}\b")
        for comment in tuple(self.left):
            if comment in self.left and name.search(
                self.document.text[comment.start : comment.end]
            ):
                self._replace(self._block_of(comment), None)

    def _in(self, line: int, *, alone: bool) -> list[Comment]:
        return [
            comment
            for comment in self.left
            if comment.alone is alone and self.document.line_of(comment.start) == line
        ]

    def _block_over(self, line: int, column: int) -> list[Comment]:
        block: list[Comment] = []
        while above := [c for c in self._in(line - 1, alone=True) if c.column == column]:
            block, line = [*above, *block], line - 1
        return block

    def _block_of(self, comment: Comment) -> list[Comment]:
        if not comment.alone:
            return [comment]
        line = self.document.line_of(comment.start)
        while self._in(line + 1, alone=True):
            line += 1
        return self._block_over(line + 1, comment.column)

    def _words(self, block: Sequence[Comment]) -> str:
        text = self.document.text
        return " ".join(text[c.start + 1 : c.end].strip() for c in block)

    def _replace(self, block: Sequence[Comment], words: str | None) -> None:
        text, first, last = self.document.text, block[0], block[-1]
        start, end = first.start, last.end
        if words is None and first.alone:
            start, end = first.start - first.column, text.find("\n", end) + 1 or len(text)
        elif words is None:
            start = len(text[: first.start].rstrip(" \t"))
        before = self._words(block)
        new = "" if words is None else self._wrapped(words, first)
        if words != before:
            self.edits.append(Edit(start=start, end=end, text=new))
            line = self.document.line_of(first.start) + 1
            self.done.append(Remark(line=line, before=before, after=words))
        self.left = [comment for comment in self.left if comment not in block]

    def _wrapped(self, words: str, first: Comment) -> str:
        if not first.alone:
            return f"# {words}"
        parts = SUM.sub(lambda sum_: _in_one_piece(sum_[0]), words)
        lines = textwrap.wrap(parts, WIDTH - first.column, break_long_words=False)
        margin = self.document.newline + " " * first.column
        return margin.join(f"# {line}" for line in lines).replace("\N{NO-BREAK SPACE}", " ")


def _with_sum(words: str, summed: str, *, keep: bool) -> str:
    """Return a block with its sum replaced; what follows may state the former figures, too."""
    found = SUM.search(words)
    behind = words[found.end() :] if found else ""
    if not keep and re.search(r"\d", behind):
        behind = "."
    return words[: found.start() if found else 0] + summed + behind


def _in_one_piece(words: str) -> str:
    """Let lines break at the commas of a sum only."""
    gap = "\N{NO-BREAK SPACE}"
    return words.replace(" ", gap).replace(f",{gap}", ", ")


def _states(words: str, former: set[str]) -> bool:
    """Whether a comment states a former value: the number, or the name with a number in it."""
    words = NUMBERED.sub("", words)
    numbers = {_plain(found) for found in NUMBER.findall(words)}
    return any(
        _plain(value) in numbers
        if NUMBER.fullmatch(value)
        else re.search(rf"(?<![\w.-]){re.escape(value)}(?![\w-])", words)
        for value in former
    )


def _plain(number: str) -> str:
    return re.sub(r"[,_]|\.0+$", "", number)


def _has_unit(words: str) -> bool:
    return WITH_UNIT.search(NUMBERED.sub("", words)) is not None
