"""Every record class of `igvm.spec`, found rather than listed, so that a new one is tested too."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import igvm.spec
from igvm.wire.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator


def _found() -> Iterator[tuple[str, type[Record]]]:
    for info in pkgutil.iter_modules(igvm.spec.__path__, "igvm.spec."):
        for name, value in vars(importlib.import_module(info.name)).items():
            if (
                isinstance(value, type)
                and issubclass(value, Record)
                and value.__module__ == info.name
            ):
                yield name, value


RECORDS: dict[str, type[Record]] = dict(_found())
"""The classes by name."""
