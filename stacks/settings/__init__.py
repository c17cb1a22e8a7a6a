"""What may differ between dev, test, uat and prod, and within which bounds.

This package is the only reader of ``pulumi.Config``.  A stack file that is wrong is refused
here, with all of its mistakes at once, before any resource is declared.
"""

from stacks.settings.loader import Configuration, load, validate
from stacks.settings.mistakes import Mistake, SettingsError
from stacks.settings.model import StackSettings

__all__ = ["Configuration", "Mistake", "SettingsError", "StackSettings", "load", "validate"]
