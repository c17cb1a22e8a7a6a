"""The stack that is selected, from its settings to its exports."""

import gc

from stacks.outputs import export
from stacks.platform import Platform
from stacks.settings import load

# The provider's classes are a quarter of a million objects that live as long as the program,
# which is seconds.  Looking through them for garbage took almost half of its time.
gc.disable()

export(Platform(load()))
