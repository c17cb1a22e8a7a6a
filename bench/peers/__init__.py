"""Side by side with the tools that others use for this: the same ten scenarios, in one run.

``judge`` looks at the catalog with SQL of its own, ``outcome`` has the words for what it finds,
``scenarios`` says what happens, ``tools`` how each tool is used as its manual says.
"""

from bench.peers.study import peers

__all__ = ["peers"]
