"""Changes settings in a stack file, and nothing else in it: comments, order and quotes stay.

What comes out has been read again: it holds the old settings with the changes in them, and no
mistake that was not there before.  Otherwise the file is left as it was.
"""

import copy
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_origin

from stacks.settings import SettingsError, StackSettings, validate
from stacks.settings.catalogue import PARAMETERS
from stacks.settings.loader import PROJECT, SECRETS
from stacks.settings.mistakes import AZURE_KEYS, Mistake
from stacks.settings.shape import draft, model_at
from tools.stack_comments import Remark, put_right
from tools.yaml_text import Document, Edit, YamlError, apply

SETTINGS = "engram:settings"
ROOT = ("config", SETTINGS)
ABSENT = "absent"


class StackFileError(Exception):
    """A change that is refused; the file is as it was.  One line a mistake."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One setting that is another now."""

    path: str
    before: object
    """None too where the key was not there; see ``added``."""
    after: object
    added: bool = False
    remarks: tuple[Remark, ...] = ()
    """Comments that followed, or had to go; all of a call are in its first change."""

    def __str__(self) -> str:
        """One line."""
        return f"{self.path}: {ABSENT if self.added else self.before} -> {self.after}"


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """A stack file as it is read here."""

    path: Path
    stack: str
    document: Document
    config: Mapping[str, Any]

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is under ``engram:settings``."""
        found = self.config.get(SETTINGS)
        return found if isinstance(found, Mapping) else {}

    def draft(self) -> StackSettings:
        """Return what is right in it; to read what is not is an AttributeError."""
        return draft(self._raw())

    def shaped(self) -> StackSettings:
        """Return settings whose every value is right, though the rules across may refuse them.

        Raises pydantic's ``ValidationError``.
        """
        return StackSettings.model_validate(self._raw())

    def mistakes(self) -> list[Mistake]:
        """Return what the program would refuse it for."""
        secrets = {
            secret.key: isinstance(self.config[key], Mapping) and "secure" in self.config[key]
            for secret in SECRETS
            if (key := f"{PROJECT}:{secret.key}") in self.config
        }
        try:
            validate(self.stack, self.settings, self._azure(), secrets=secrets)
        except SettingsError as error:
            return error.mistakes
        return []

    def _raw(self) -> dict[str, Any]:
        return {**self.settings, "environment": self.stack, "azure": self._azure()}

    def _azure(self) -> dict[str, Any]:
        return {name: self.config.get(key) for name, key in AZURE_KEYS.items()}


def read(path: Path, *, stack: str | None = None) -> StackFile:
    """Read a stack file.  Raises ``StackFileError`` where it is none."""
    name = stack or _stack_of(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StackFileError(f"{path}: {error}") from None
    return _parsed(path, name, text)


def update(path: Path, changes: Mapping[str, object], *, stack: str | None = None) -> list[Change]:
    """Give settings other values, by their dotted paths below ``engram:settings``.

    A key that the settings know and the file lacks is added at the end of its parent.  A comment
    that states a figure about what changed is written anew or removed.  Returns what changed.
    Raises ``StackFileError``, and leaves the file alone, for a path that no setting has and for
    a value that the settings refuse.
    """
    file = read(path, stack=stack)
    after, done = edited(file, changes)
    if done:
        _write(path, after.document.text)
    return done


def edited(file: StackFile, changes: Mapping[str, object]) -> tuple[StackFile, list[Change]]:
    """Return what ``update`` would write, and write nothing.  Raises ``StackFileError``."""
    _refuse_overlap(changes)
    try:
        after, done = _with_values(file, changes)
        if not done:
            return file, []
        changed = {change.path: change.before for change in done}
        text, remarks = put_right(after.document, ROOT, changed, file.draft(), after.draft())
    except YamlError as error:
        raise StackFileError(f"{file.path}: {error}") from None
    settled = _parsed(file.path, file.stack, text)
    _refuse_other_words(after, settled)
    _refuse_new_mistakes(file, settled)
    return settled, [replace(done[0], remarks=tuple(remarks)), *done[1:]]


def _with_values(file: StackFile, changes: Mapping[str, object]) -> tuple[StackFile, list[Change]]:
    """Return the file with its new values and its old comments."""
    wanted = copy.deepcopy(dict(file.settings))
    edits: list[Edit] = []
    done: list[Change] = []
    for path, value in _leaves(changes, file.settings):
        keys = path.split(".")
        _refuse_unknown(keys, wanted)
        parent = _at(file.settings, keys[:-1])
        added = not isinstance(parent, Mapping) or keys[-1] not in parent
        before = None if added else parent[keys[-1]]
        if not added and before == value and type(before) is type(value):
            continue
        edit = file.document.addition if added else file.document.replacement
        edits.append(edit([*ROOT, *keys], value))
        _put(wanted, keys, value)
        done.append(Change(path=path, before=before, after=value, added=added))
    expected = replace(file, config={**file.config, SETTINGS: wanted})
    if not done:
        return expected, []
    after = _parsed(file.path, file.stack, apply(file.document.text, _merged(edits)))
    _refuse_other_words(expected, after)
    return after, done


def _leaves(
    changes: Mapping[str, object], settings: Mapping[str, Any]
) -> Iterator[tuple[str, object]]:
    """Yield the changes, an object of the same keys key by key: so its comments stay."""
    for path, value in changes.items():
        old = _at(settings, path.split("."))
        if isinstance(value, Mapping) and isinstance(old, Mapping) and value.keys() == old.keys():
            yield from _leaves({f"{path}.{key}": value[key] for key in value}, settings)
        else:
            yield path, _plain(value)


def _plain(value: object) -> object:
    """Return a value as YAML gives it back."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _merged(edits: Sequence[Edit]) -> list[Edit]:
    """Join what is inserted at one place, in the order of the changes."""
    by_place: dict[tuple[int, int], str] = {}
    for edit in edits:
        place = (edit.start, edit.end)
        by_place[place] = by_place.get(place, "") + edit.text
    return [Edit(start=start, end=end, text=text) for (start, end), text in by_place.items()]


def _refuse_overlap(changes: Mapping[str, object]) -> None:
    for path in changes:
        inner = next((other for other in changes if other.startswith(f"{path}.")), None)
        if inner is not None:
            raise StackFileError(f"{inner}: is a part of {path}; change one of them")


def _refuse_unknown(keys: Sequence[str], settings: Mapping[str, Any]) -> None:
    model = model_at(keys[:-1], settings)
    if model is not None and keys[-1] in model.model_fields and _is_ours(keys):
        return
    if _is_table(keys[:-1], settings) and keys[-1] in PARAMETERS:
        return
    known = sorted(model.model_fields) if model else sorted(PARAMETERS)
    allowed = ", ".join(known) if model or _is_table(keys[:-1], settings) else "a key of an object"
    raise StackFileError(f"{'.'.join(keys)}: no setting has this name; allowed: {allowed}")


def _is_ours(keys: Sequence[str]) -> bool:
    """The environment and Azure's own keys do not stand among the settings."""
    return keys[0] not in {"environment", "azure"}


def _is_table(keys: Sequence[str], settings: Mapping[str, Any]) -> bool:
    """Whether these keys lead to names of the file's own choice: the server's parameters."""
    model = model_at(keys[:-1], settings) if keys else None
    field = model.model_fields.get(keys[-1]) if model else None
    return field is not None and get_origin(field.annotation) is dict


def _at(settings: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        settings = settings.get(key) if isinstance(settings, Mapping) else None
    return settings


def _put(settings: dict[str, Any], keys: Sequence[str], value: object) -> None:
    for key in keys[:-1]:
        settings = settings[key]
    settings[keys[-1]] = value


def _refuse_other_words(expected: StackFile, found: StackFile) -> None:
    """Refuse an edit that would say anything else than was asked for."""
    if found.config != expected.config:
        raise StackFileError(
            f"{found.path}: its layout cannot be edited safely; make the change by hand"
        )


def _refuse_new_mistakes(before: StackFile, after: StackFile) -> None:
    old = {mistake.path for mistake in before.mistakes()}
    new = [str(mistake) for mistake in after.mistakes() if mistake.path not in old]
    if new:
        raise StackFileError("\n".join(f"{after.path}: {line}" for line in new))


def _parsed(path: Path, stack: str, text: str) -> StackFile:
    try:
        document = Document(text)
    except YamlError as error:
        raise StackFileError(f"{path}: {error}") from None
    config = document.data.get("config")
    if not isinstance(config, Mapping) or not isinstance(config.get(SETTINGS), Mapping):
        raise StackFileError(f"{path}: found no {'.'.join(ROOT)}; start from Pulumi.dev.yaml")
    return StackFile(path=path, stack=stack, document=document, config=config)


def _stack_of(path: Path) -> str:
    match = re.fullmatch(r"Pulumi\.([a-z0-9-]+)\.yaml", path.name)
    if match is None:
        raise StackFileError(f"{path}: found no stack in its name; allowed: Pulumi.<stack>.yaml")
    return match[1]


def _write(path: Path, text: str) -> None:
    """Replace the file at once: a kill leaves the old one or the new one."""
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(target, name)
        os.replace(name, target)  # noqa: PTH105 - the name is mkstemp's
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
