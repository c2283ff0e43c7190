"""Plans in, digests out: the launch measurements of every isolation technology.

The package has the name of the function `igvm.measure`, and importing it puts it there in the
function's place; so it can be called, and does the same.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from igvm.measure.measurement import Measurement


class _Callable(ModuleType):
    """This package, as the function of the same name."""

    def __call__(self, *arguments: Any, **options: Any) -> Measurement:
        from igvm.measure.measurement import measure

        return measure(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
