"""What an outside judge is given of a stack: manifests, a template and a plan, as files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from assurance.outside.arm import PREFIX, plain, template
from assurance.outside.plan import KINDS, plan
from assurance.policies.model import Resource

OBJECTS = "kubernetes:"


def write(folder: Path, name: str, resources: Iterable[Resource]) -> None:
    """Write ``<name>.yaml``, ``<name>-arm.json`` and ``<name>-plan.json``, none of them empty.

    Raises ``AssuranceError`` for a resource that has no words in the judge's language.
    """
    declared = list(resources)
    objects = [plain(r.raw) for r in declared if r.type.startswith(OBJECTS)]
    if objects:
        text = yaml.safe_dump_all(objects, sort_keys=True)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    if any(resource.type.startswith(PREFIX) for resource in declared):
        _write(folder / f"{name}-arm.json", template(declared))
    if any(resource.type in KINDS for resource in declared):
        _write(folder / f"{name}-plan.json", plan(declared))


def _write(file: Path, document: dict[str, Any]) -> None:
    file.write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")
