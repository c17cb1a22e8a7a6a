"""settings.md: every key of a stack file, with its bounds, from the model that judges it."""

from collections.abc import Iterator
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from docs.generator.text import document, field_docs, prose, table
from stacks.settings.base import Settings
from stacks.settings.catalogue import PARAMETERS
from stacks.settings.loader import PROJECT, SECRETS
from stacks.settings.mistakes import AZURE_KEYS, KINDS
from stacks.settings.model import AzureSettings, StackSettings
from stacks.settings.rules import RULES

HEAD = ("key", "allowed", "default", "meaning")
ELSEWHERE = ("environment", "azure")
"""Parts of the settings that do not come from ``engram:settings``."""

WRONG: dict[Any, object] = {str: " ", int: -1}
"""A value that no alias of a type takes; its refusal says what is allowed."""

SEE_BELOW: dict[Any, str] = {dict[str, int]: "an object of [server parameters](#server-parameters)"}


def page() -> str:
    """Return the whole page."""
    blocks = [
        "A stack file `Pulumi.<stack>.yaml` is refused as a whole, with every mistake on a line of"
        " its own, before anything is declared. The stack's name is the environment:"
        f" {_choices(StackSettings.model_fields['environment'].annotation)}.",
        "## The provider's keys",
        prose(AzureSettings.__doc__),
        table(HEAD, _rows(AzureSettings, AZURE_KEYS)),
        "## Secrets",
        "Beside the settings, encrypted, and only for what exists already:",
        table(
            ("where", "secret", "set with"),
            ((f"`{s.part}.kind` is `existing`", s.what, f"`{s.command}`") for s in SECRETS),
        ),
        f"## `{PROJECT}:settings`",
        *_sections("", StackSettings),
        "## Server parameters",
        "What `postgres.parameters` may tune, with Azure's bounds; the component sets the rest.",
        table(
            ("parameter", "from", "to"),
            ((f"`{name}`", str(low), str(high)) for name, (low, high) in PARAMETERS.items()),
        ),
        "## Rules across keys",
        table(
            ("rule", "why"),
            ((rule.__name__.replace("_", " "), rule.__doc__ or "") for rule in RULES),
        ),
    ]
    return document("Settings", "the models and rules of `stacks/settings/`", blocks)


def _sections(path: str, model: type[Settings]) -> Iterator[str]:
    """Describe a model: its own keys in one table, then each object in it."""
    yield prose(model.__doc__)
    yield table(HEAD, _rows(model))
    for name, field in model.model_fields.items():
        if not path and name in ELSEWHERE:
            continue
        inner = f"{path}.{name}" if path else name
        for member in _models(field.annotation):
            yield f"### `{inner}`{_which(field, member)}"
            yield from _sections(inner, member)


def _which(field: FieldInfo, member: type[Settings]) -> str:
    """Tell the members of a union apart by the key that chooses them."""
    tag = field.discriminator
    if isinstance(tag, str):
        return f", {tag} {_choices(member.model_fields[tag].annotation)}"
    if get_origin(field.annotation) is tuple:
        return ", a list"
    return "" if field.is_required() else ", optional"


def _rows(model: type[Settings], spelling: dict[str, str] | None = None) -> Iterator[list[str]]:
    words = field_docs(model)
    for name, field in model.model_fields.items():
        if _models(field.annotation) or (model is StackSettings and name in ELSEWHERE):
            continue
        key = (spelling or {}).get(name, name)
        yield [f"`{key}`", _allowed(field), _default(field), words.get(name, "")]


def _models(annotation: Any) -> list[type[Settings]]:
    """Return the model of an object, or those of a union; none for a plain value."""
    options = get_args(annotation) or (annotation,)
    return [o for o in options if isinstance(o, type) and issubclass(o, Settings)]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    return "none" if default in (None, {}, ()) else f"`{default}`"


def _allowed(field: FieldInfo) -> str:
    """Say what a value may be, in the words of the refusal that a wrong one gets."""
    options = [o for o in get_args(field.annotation) if o is not NoneType]
    kind = options[0] if NoneType in get_args(field.annotation) else field.annotation
    if get_origin(kind) is Literal:
        return _choices(kind)
    if get_origin(_plain(kind)) is tuple:
        return f"a list, each entry {_inner(_plain(kind), 0)}"
    if get_origin(kind) is dict and kind not in SEE_BELOW:
        return f"an object of {_inner(kind, 1)} by name"
    return SEE_BELOW.get(kind) or _refusal(kind, field) or KINDS[_plain(kind)] + _bounds(field)


def _inner(kind: Any, position: int) -> str:
    """Say what an entry of a list or of an object may be."""
    return _allowed(FieldInfo.from_annotation(get_args(kind)[position]))


def _plain(kind: Any) -> Any:
    """Return the type without its checks."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _choices(literal: Any) -> str:
    """List the members; text that YAML would take for a number is shown in quotes."""
    return ", ".join(
        f'`"{value}"`' if isinstance(value, str) and value.isdigit() else f"`{value}`"
        for value in get_args(literal)
    )


def _refusal(kind: Any, field: FieldInfo) -> str | None:
    adapter: TypeAdapter[Any] = TypeAdapter(
        Annotated[kind, None, *field.metadata], config=ConfigDict(strict=True)
    )
    try:
        adapter.validate_python(WRONG.get(_plain(kind)))
    except ValidationError as error:
        allowed: str | None = error.errors()[0].get("ctx", {}).get("allowed")
        return allowed
    return None


def _bounds(field: FieldInfo) -> str:
    low = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
    high = next((m.le for m in field.metadata if hasattr(m, "le")), None)
    if low is None:
        return "" if high is None else f", {high} or less"
    return f", {low} or more" if high is None else f" from {low} to {high}"
