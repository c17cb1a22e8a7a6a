"""A YAML file as text: finds where a value stands, so that an edit touches nothing else.

A file that is loaded and dumped again comes back in the library's own layout.  Here the library
only says where each node begins and ends; what is between those two marks is replaced, and every
other character stays as it was.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

INDENT = 2
SINGLE_QUOTES = re.compile(r"(?m)((?:^|: |- ))'([^'\"\\]*)'$")
"""The library's own choice; the stack files have double ones."""


class YamlError(ValueError):
    """Text that cannot be edited: what was found, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Characters ``start`` to ``end`` give way to ``text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Comment:
    """From its ``#`` to the end of the line."""

    start: int
    end: int
    column: int
    alone: bool
    """Nothing else is in the line."""


def apply(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with all edits done; they must not overlap."""
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


class Document:
    """One YAML document and the places of its nodes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        try:
            root = yaml.compose(text, yaml.SafeLoader)
            if not isinstance(root, yaml.MappingNode):
                raise YamlError("found no object; allowed: YAML with keys")
            _refuse_twice(root)
            self.root = root
            self.data: Any = yaml.SafeLoader("").construct_document(root)
        except yaml.YAMLError as error:
            raise YamlError(f"is no YAML: {' '.join(str(error).split())}") from None
        except RecursionError:
            raise YamlError(
                "found an object inside of itself (an anchor), or too deep a nesting; write it out"
            ) from None

    def pair(self, keys: Sequence[str]) -> tuple[yaml.Node, yaml.Node] | None:
        """Return key and value at these keys, or None where there is none."""
        node: yaml.Node = self.root
        found: tuple[yaml.Node, yaml.Node] | None = None
        for key in keys:
            pairs = node.value if isinstance(node, yaml.MappingNode) else ()
            found = next(((k, v) for k, v in pairs if k.value == key), None)
            if found is None:
                return None
            node = found[1]
        return found

    def replacement(self, keys: Sequence[str], value: object) -> Edit:
        """Return the edit that gives the key another value, in the old one's style.

        Raises ``YamlError`` where the value is shared with another place.
        """
        found = self.pair(keys)
        if found is None:
            raise KeyError(".".join(keys))
        key, node = found
        self._refuse_shared(keys, key, node)
        colon = self.text.index(":", key.end_mark.index) + 1
        end = self.end(node)
        if _is_collection(value) and not _is_flow(node):
            body = self._block(value, key.start_mark.column + INDENT)
            # With the remark behind its last line, which was about that line.
            return Edit(start=colon, end=self._line_end(end), text=body)
        style = node.style if isinstance(node, yaml.ScalarNode) else None
        start = node.start_mark.index
        if isinstance(node, yaml.ScalarNode) and "#" in self.text[colon:start]:
            return Edit(start=start, end=end, text=rendered(value, style))  # behind a comment
        return Edit(start=colon, end=end, text=" " + rendered(value, style))

    def addition(self, keys: Sequence[str], value: object) -> Edit:
        """Return the edit that adds a key as the last one of its parent, which must be there."""
        parent = self.pair(keys[:-1])
        if parent is None or not isinstance(parent[1], yaml.MappingNode):
            raise YamlError(f"{'.'.join(keys[:-1])}: found no object; give it as a whole")
        node, name = parent[1], keys[-1]
        self._refuse_shared(keys[:-1], *parent)
        if _is_flow(node):
            place = node.end_mark.index - 1
            comma = ", " if node.value else ""
            return Edit(start=place, end=place, text=f"{comma}{name}: {rendered(value, None)}")
        column = node.start_mark.column
        place = self._line_end(self.end(node))
        body = (
            self._block(value, column + INDENT)
            if _is_collection(value)
            else f" {rendered(value, None)}"
        )
        return Edit(start=place, end=place, text=f"{self.newline}{' ' * column}{name}:{body}")

    def end(self, node: yaml.Node) -> int:
        """Return where the last character of a node is; YAML's own mark is behind comments."""
        while isinstance(node, yaml.CollectionNode) and not _is_flow(node) and node.value:
            last = node.value[-1]
            node = last[1] if isinstance(last, tuple) else last
        start, stop = node.start_mark.index, node.end_mark.index
        return start + len(self.text[start:stop].rstrip())

    def comments(self) -> list["Comment"]:
        """Return all comments: a ``#`` behind white space and outside of every scalar."""
        taken = [(n.start_mark.index, n.end_mark.index) for n in _scalars(self.root)]
        found: list[Comment] = []
        for match in re.finditer(r"(?m)(?:^|(?<=[ \t]))#[^\r\n]*", self.text):
            start, end = match.span()
            behind = found and start < found[-1].end
            if behind or any(first <= start < last for first, last in taken):
                continue
            line = self.text.rfind("\n", 0, start) + 1
            alone = not self.text[line:start].strip()
            found.append(Comment(start=start, end=end, column=start - line, alone=alone))
        return found

    def line_of(self, index: int) -> int:
        """Return the number of the line, from 0, that a character is in."""
        return self.text.count("\n", 0, index)

    def _line_end(self, index: int) -> int:
        found = self.text.find("\n", index)
        stop = len(self.text) if found < 0 else found
        return stop - 1 if self.text[stop - 1 : stop] == "\r" else stop

    def _block(self, value: object, column: int) -> str:
        text = dumped(value, flow=False, style=None).rstrip("\n")
        lines = SINGLE_QUOTES.sub(r'\1"\2"', text).split("\n")
        return "".join(f"{self.newline}{' ' * column}{line}" for line in lines)

    def _refuse_shared(self, keys: Sequence[str], key: yaml.Node, node: yaml.Node) -> None:
        """An anchor or an alias: another place would change, too, or lose its value."""
        written = self.text[key.end_mark.index : max(key.end_mark.index, node.end_mark.index)]
        if node.start_mark.index < key.end_mark.index or re.match(r"\s*:\s*[&*]", written):
            raise YamlError(
                f"{'.'.join(keys)}: found a value that is shared by an anchor; write it out first"
            )


def rendered(value: object, style: str | None) -> str:
    """Return a value in one line; text keeps the quotes that it had, and gets some where needed."""
    if isinstance(value, str):
        quotes = style if style in ("'", '"') else None
        plain = _dumped(value, quotes)
        return plain if quotes or plain[:1] not in "'\"" else _dumped(value, '"')
    return _dumped(value, None)


def dumped(value: object, *, flow: bool, style: str | None) -> str:
    """Return a value as YAML, unwrapped and in its own order.  Raises ``YamlError``."""
    try:
        text: str = yaml.safe_dump(
            value,
            default_flow_style=flow,
            default_style=style,
            allow_unicode=True,
            sort_keys=False,
            width=2**16,
        )
    except yaml.YAMLError:
        kind = type(value).__name__
        raise YamlError(f"found a value of type {kind}; allowed: plain data") from None
    return text


def _dumped(value: object, style: str | None) -> str:
    text = dumped(value, flow=True, style=style)
    return text.removesuffix("...\n").rstrip("\n")


def _is_collection(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple) and bool(value)


def _is_flow(node: yaml.Node) -> bool:
    return bool(getattr(node, "flow_style", False))


def _refuse_twice(node: yaml.Node) -> None:
    for mapping in _mappings(node):
        keys = [key.value for key, _ in mapping.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            line = mapping.start_mark.line + 1
            raise YamlError(f"{', '.join(twice)} stands twice in the object of line {line}")


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode) and node.style is not None:
        yield node  # a plain scalar holds no comment: « #» ends it
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for part in pair:
                yield from _scalars(part)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _scalars(value)


def _mappings(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value)
