"""Public names of a package that are loaded when they are first used, from one table."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def lazy_names(
    package: str,
    public: Mapping[str, Sequence[str]],
    rooms: Sequence[str] = (),
    present: Sequence[str] = (),
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package (PEP 562).

    Args:
        package: its name.
        public: names by the module of igvm that has them, such as `file.table`.
        rooms: subpackages that can be reached without having been imported.
        present: further public names, which the package has already.
    """
    homes = {name: f"igvm.{module}" for module, names in public.items() for name in names}

    def load(name: str) -> object:
        if name in rooms:
            return importlib.import_module(f"{package}.{name}")
        if name not in homes:
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message, name=name, obj=sys.modules[package])
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def known() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes, *rooms})

    return load, known, sorted([*homes, *present])
