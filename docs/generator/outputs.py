"""outputs.md: what a stack exports, from the types of ``stacks/outputs.py``."""

from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import pulumi

from docs.generator.text import document, field_docs, prose, table
from stacks import outputs

WORDS: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", NoneType: "null"}


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
        for inner in _objects(hint):
            place = f"{path}{name}.*" if get_origin(hint) is dict else f"{path}{name}"
            yield f"## `{place}`"
            yield from _sections(f"{place}.", inner)


def _objects(hint: Any) -> list[type]:
    """Return the object that an output is, may be, or has under each of its names."""
    return [kind for kind in (hint, *get_args(hint)) if is_typeddict(kind)]


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
        return _by_name(arguments[1])
    if arguments:
        return " or ".join(_value(argument) for argument in arguments)
    return WORDS[hint]


def _by_name(kind: Any) -> str:
    if is_typeddict(kind):
        return "an object of objects by name, each as below"
    return f"an object of {_value(kind)} by name"
