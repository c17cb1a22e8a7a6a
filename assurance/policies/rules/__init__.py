"""Every rule: a module here is read, and registers its rules, without being listed anywhere."""

from importlib import import_module
from pkgutil import iter_modules

from assurance.policies.model import RULES, Rule


def load() -> dict[str, Rule]:
    """Read all modules, and return all rules by name."""
    for module in sorted(found.name for found in iter_modules(__path__)):
        import_module(f"{__name__}.{module}")
    return RULES
