"""The stack that is selected, from its settings to its exports."""

import gc

# The provider's classes are a quarter of a million objects that live as long as the program,
# which is seconds.  Looking through them for garbage took almost half of its time.
gc.disable()

from stacks.outputs import export  # noqa: E402 - after that, so that the imports profit too
from stacks.platform import Platform  # noqa: E402
from stacks.settings import load  # noqa: E402

export(Platform(load()))
