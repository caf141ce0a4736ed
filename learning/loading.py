"""Loading code without the garbage collector.

What is imported stays until the end. The collector would look through it again and again while it is loaded, and once
more when the process ends: a third of the processor time of a start.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Keep the collector from all that exists at the end of the block: it is for imports, and nothing else."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
