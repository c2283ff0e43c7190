"""Writes src/igvm/__init__.pyi, what type checkers read, from the table of public names.

`python scripts/public_names.py > src/igvm/__init__.pyi`; a test compares them.
"""

from __future__ import annotations

import igvm


def stub() -> str:
    """The text of the stub."""
    lines = [
        "# Written by scripts/public_names.py from the table in __init__.py.",
        "",
        "from igvm import " + ", ".join(f"{room} as {room}" for room in igvm._ROOMS),
        "from igvm._version import __version__ as __version__",
    ]
    for module, names in igvm._PUBLIC.items():
        named = ", ".join(f"{name} as {name}" for name in sorted(names))
        lines.append(f"from igvm.{module} import {named}")
    exported = ", ".join(f'"{name}"' for name in igvm.__all__)
    return "\n".join([*lines, "", f"__all__ = [{exported}]", ""])


if __name__ == "__main__":
    print(stub(), end="")
