"""Writes what type checkers read of packages whose names are loaded lazily: `__init__.pyi`.

`python scripts/public_names.py` writes them; a test compares.
"""

from __future__ import annotations

import importlib
from pathlib import Path

PACKAGES = ("igvm", "igvm.report")
HERE = Path(__file__).resolve().parent.parent / "src"


def stub(package: str) -> str:
    """The text of the stub of `package`."""
    module = importlib.import_module(package)
    lines = ["# Written by scripts/public_names.py from the table in __init__.py.", ""]
    rooms = getattr(module, "_ROOMS", ())
    if rooms:
        lines.append(f"from {package} import " + ", ".join(f"{room} as {room}" for room in rooms))
    if "__version__" in module.__all__:
        lines.append("from igvm._version import __version__ as __version__")
    for home, names in module._PUBLIC.items():
        named = ", ".join(f"{name} as {name}" for name in sorted(names))
        lines.append(f"from igvm.{home} import {named}")
    exported = ", ".join(f'"{name}"' for name in module.__all__)
    return "\n".join([*lines, "", f"__all__ = [{exported}]", ""])


def path_of(package: str) -> Path:
    """Where the stub of `package` is."""
    return HERE.joinpath(*package.split("."), "__init__.pyi")


if __name__ == "__main__":
    for name in PACKAGES:
        path_of(name).write_text(stub(name), encoding="utf-8")
