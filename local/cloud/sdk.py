"""What the installed SDK says about a resource, read from its own classes.

The wheel carries no schema, but its args classes know every key, what is
required, the types and the enums. Importing them costs seconds (``network``
alone three), so the answer is kept on disk for each version of the SDK.
"""

import enum
import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Any, NotRequired, TypedDict

from local.files import write_atomically
from local.paths import Paths

PACKAGES = {
    "azure-native": "pulumi-azure-native",
    "kubernetes": "pulumi-kubernetes",
    "random": "pulumi-random",
}
FORMAT = 2
"""Part of the cache's name: raise it when the schema's form changes."""
SNAKE = re.compile(r"(?<!^)(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])")


class NoSuchType(LookupError):  # noqa: N818 - reads as what was found
    """The installed SDK has no such resource."""


class Value(TypedDict):
    """What one input may be; an empty one may be anything."""

    scalars: NotRequired[list[str]]
    enum: NotRequired[list[Any]]
    objects: NotRequired[list[str]]
    """Names of ``Object``s, of which it is one."""
    items: NotRequired["Value"]
    values: NotRequired["Value"]


class Object(TypedDict):
    """An object's properties by wire name."""

    properties: dict[str, Value]
    required: list[str]
    python_names: dict[str, str]
    """Python name -> wire name, for those who confuse the two."""


class Schema(TypedDict):
    """One resource: inputs and the shape of its outputs."""

    inputs: str
    """The name of the object that is the resource's own inputs."""
    objects: dict[str, Object]
    outputs: str
    shapes: dict[str, dict[str, str | None]]
    """Output objects: property -> the shape it has, if it is an object itself."""


@cache
def schema(token: str) -> Schema:
    """Return the schema of a Pulumi type token; raises ``NoSuchType``."""
    package, _, rest = token.partition(":")
    release = f"{package}-{version(PACKAGES[package])}-{FORMAT}"
    file = Paths.current().cache / "schemas" / release / (re.sub("[:/]", ".", rest) + ".json")
    if not file.exists():
        write_atomically(file, json.dumps(_read_classes(token)))
    found: Schema = json.loads(file.read_text(encoding="utf-8"))
    return found


def _read_classes(token: str) -> Schema:
    # Imported only where no schema is cached: this costs a second or more.
    from pulumi import _types as sdk_types  # noqa: PLC0415

    name = token.rsplit(":", 1)[-1]
    module = _import(token)
    args = next(
        found
        for found in (vars(module).get(f"{name}InitArgs"), vars(module).get(f"{name}Args"))
        if isinstance(found, type) and found.__module__ == module.__name__
    )
    objects: dict[str, Object] = {}
    _Inputs(objects).add(args)
    shapes: dict[str, dict[str, str | None]] = {}
    shapes[name] = _shape(sdk_types.resource_types(vars(module)[name]), shapes)
    return Schema(inputs=args.__name__, objects=objects, outputs=name, shapes=shapes)


def _import(token: str) -> ModuleType:
    package, module, name = token.split(":")
    inner = module if package == "azure-native" else ""
    file = SNAKE.sub("_", name).lower()
    path = ".".join(filter(None, (PACKAGES[package].replace("-", "_"), inner, file)))
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        raise NoSuchType(f"the installed {PACKAGES[package]} has no resource '{token}'") from error


class _Inputs:
    """Collects an args class and all that it refers to."""

    def __init__(self, objects: dict[str, Object]) -> None:
        self.objects = objects

    def add(self, cls: type) -> str:
        """Return the object's name, having described it once."""
        from pulumi import _types as sdk_types  # noqa: PLC0415

        if cls.__name__ in self.objects:
            return cls.__name__
        names = sdk_types.input_type_py_to_pulumi_names(cls)
        described = Object(properties={}, required=_required(cls, names), python_names=names)
        self.objects[cls.__name__] = described
        for py, hint in _hints(cls).items():
            described["properties"][names[py]] = self.value(hint)
        return cls.__name__

    def value(self, hint: Any) -> Value:
        """Return what a hint such as ``Input[Optional[Sequence[...]]]`` allows."""
        from pulumi import _types as sdk_types  # noqa: PLC0415

        value = Value()
        for kind in _alternatives(hint):
            origin, arguments = typing.get_origin(kind), typing.get_args(kind)
            if origin is Sequence:
                value["items"] = self.value(arguments[0])
            elif origin is Mapping:
                value["values"] = self.value(arguments[1])
            elif not inspect.isclass(kind):
                continue
            elif issubclass(kind, enum.Enum):
                value["enum"] = [member.value for member in kind]
            elif sdk_types.is_input_type(kind):
                value.setdefault("objects", []).append(self.add(kind))
            elif kind in {str, int, float, bool}:
                value.setdefault("scalars", []).append(kind.__name__)
        return value


def _hints(cls: type) -> dict[str, Any]:
    from pulumi import output  # noqa: PLC0415

    # The SDK quotes its own names, and pulumi's Input quotes 'Output[T]'.
    namespace = {"Output": output.Output, "T": output.T, **vars(sys.modules[cls.__module__])}
    # Two namespaces: with one, typing would answer a name such as PrincipalType with what it
    # meant in the module that was read before.
    init = inspect.getattr_static(cls, "__init__")
    hints = typing.get_type_hints(init, namespace, dict(namespace))
    return {name: hint for name, hint in hints.items() if name != "return"}


def _required(cls: type, names: Mapping[str, str]) -> list[str]:
    return [
        names[py]
        for py, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    ]


def _alternatives(hint: Any) -> Iterator[Any]:
    origin = typing.get_origin(hint)
    if origin is typing.Union:
        for inner in typing.get_args(hint):
            yield from _alternatives(inner)
    elif getattr(origin, "__name__", "") not in {"Awaitable", "Output"}:
        yield hint


def _shape(
    hints: Mapping[str, Any], shapes: dict[str, dict[str, str | None]]
) -> dict[str, str | None]:
    from pulumi import _types as sdk_types  # noqa: PLC0415

    shape: dict[str, str | None] = {}
    for key, hint in hints.items():
        shape[key] = None
        for kind in _alternatives(hint):
            if inspect.isclass(kind) and sdk_types.is_output_type(kind):
                shape[key] = kind.__name__
                if kind.__name__ not in shapes:
                    shapes[kind.__name__] = {}
                    shapes[kind.__name__] = _shape(sdk_types.output_type_types(kind), shapes)
    return shape
