"""Walks the model beside a raw file: which model judges which part of it.

pydantic builds nothing from a file with a mistake.  ``draft`` builds what can be built, so
that the rules across keys report in the same run as the mistakes within keys.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from stacks.settings.base import Settings
from stacks.settings.model import StackSettings

TAGS = ("kind", "method")
"""Keys that choose a member of a union."""


def member(annotation: object, raw: object) -> type[Settings] | None:
    """Return the model that judges ``raw``; of a union, the one that the file's tag names."""
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, Settings) else None
    models = [m for option in get_args(annotation) if (m := member(option, raw)) is not None]
    return next((model for model in models if _is_named(model, raw)), None)


def _is_named(model: type[Settings], raw: object) -> bool:
    for tag in TAGS:
        if tag in model.model_fields:
            names = get_args(model.model_fields[tag].annotation)
            return isinstance(raw, Mapping) and raw.get(tag) in names
    return True


def model_at(keys: Sequence[str], raw: object) -> type[Settings] | None:
    """Return the model of the object below these keys."""
    model: type[Settings] | None = StackSettings
    for key in keys:
        entry_of_a_list = isinstance(raw, list)
        raw = part_of(raw, key)
        if entry_of_a_list:  # the list's own annotation has named its model
            continue
        field = model.model_fields.get(key) if model else None
        model = member(field.annotation, raw) if field else None
    return model


def has_part(raw: object, key: str) -> bool:
    """Tell whether a raw file has a key there, or a list an entry at this position."""
    if isinstance(raw, list):
        return key.isdigit() and int(key) < len(raw)
    return isinstance(raw, Mapping) and key in raw


def part_of(raw: object, key: str) -> object:
    """Return what a raw file has there; None where it has nothing."""
    if not has_part(raw, key):
        return None
    return raw[int(key)] if isinstance(raw, list) else cast("Mapping[str, object]", raw)[key]


def tags_at(keys: Sequence[str], raw: object, tag: str) -> list[str]:
    """Return what a tag may say in the union at these keys."""
    parent = model_at(keys[:-1], raw)
    options = get_args(parent.model_fields[keys[-1]].annotation) if parent else ()
    return [name for model in options for name in get_args(model.model_fields[tag].annotation)]


def draft(raw: Mapping[str, Any]) -> StackSettings:
    """Build settings from what is right in a file; to read what is not is an AttributeError."""
    return StackSettings.model_construct(**_drafted(StackSettings, raw))


def _drafted(model: type[Settings], raw: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = member(field.annotation, raw.get(name))
        if name not in raw:
            continue
        if inner is None or isinstance(raw[name], list):
            values |= _valid(name, Annotated[field.annotation, None, *field.metadata], raw[name])
        elif isinstance(raw[name], Mapping):
            values[name] = inner.model_construct(**_drafted(inner, raw[name]))
    return values


def _valid(name: str, kind: Any, value: object) -> dict[str, Any]:
    try:
        checked = TypeAdapter(kind, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError:
        return {}
    return {name: checked}
