"""outputs.md: what a stack exports, from the types of ``stacks/outputs.py``."""

from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import pulumi

from docs.generator.text import document, field_docs, prose, table
from stacks import outputs

WORDS: dict[Any, str] = {str: "text", int: "a whole number", NoneType: "null"}


def page() -> str:
    """Return the whole page."""
    blocks = [
        prose(outputs.__doc__),
        "Read them with `pulumi stack output --json --stack <env>`, or from another stack through"
        " a `StackReference`.",
        *_sections("", outputs.StackOutputs),
    ]
    return document("Outputs", "`stacks/outputs.py`", blocks)


def _sections(path: str, model: type) -> Iterator[str]:
    words, hints = field_docs(model), get_type_hints(model)
    yield prose(model.__doc__)
    yield table(
        ("output", "value", "meaning"),
        ((f"`{name}`", _value(hint), words.get(name, "")) for name, hint in hints.items()),
    )
    for name, hint in hints.items():
        if is_typeddict(hint):
            yield f"## `{path}{name}`"
            yield from _sections(f"{path}{name}.", hint)


def _value(hint: Any) -> str:
    """Say in words what a consumer gets; that it is known late is no business of theirs."""
    if is_typeddict(hint):
        return "an object, below"
    arguments = get_args(hint)
    if get_origin(hint) is pulumi.Output:
        return _value(arguments[0])
    if get_origin(hint) is list:
        return f"a list of {_value(arguments[0])}"
    if get_origin(hint) is dict:
        return f"an object of {_value(arguments[1])} by name"
    if arguments:
        return " or ".join(_value(argument) for argument in arguments)
    return WORDS[hint]
