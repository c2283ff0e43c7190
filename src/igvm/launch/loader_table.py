"""The one table of loaders: every module of `igvm.launch.loaders` is one, known by its name."""

from __future__ import annotations

import functools
import importlib
import os
from typing import TYPE_CHECKING

from igvm.errors import ValidationError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from igvm.launch.loader import Loader

_FOLDER = "igvm.launch.loaders"
_FIRST = (
    "reference",
    "igvmmeasure",
    "igvmmeasure-native-zero",
    "qemu-tcg",
    "qemu-kvm",
    "qemu-bios",
    "cloud-hypervisor-kvm",
    "cloud-hypervisor-mshv",
    "openvmm",
    "td-shim",
)
"""The order in which tables list what they know of; others follow by name."""


@functools.cache
def loader_names() -> tuple[str, ...]:
    """The name of every loader, in the order in which tables list them; none is imported for it."""
    package = importlib.import_module(_FOLDER)
    names = {
        entry.removesuffix(".py").replace("_", "-")
        for folder in package.__path__
        for entry in os.listdir(folder)
        if entry.endswith(".py") and not entry.startswith("_")
    }
    known = [name for name in _FIRST if name in names]
    return (*known, *sorted(names.difference(known)))


def loaders() -> Mapping[str, Loader]:
    """Every loader by its name, in the order in which tables list them."""
    return {name: loader_of(name) for name in loader_names()}


def loader_of(name: str) -> Loader:
    """The loader called `name`, with `-` and `_` and case alike.

    Raises:
        ValidationError: there is none; the message names the nearest.
    """
    given: object = name  # whatever the annotation says
    if not isinstance(given, str):
        kind = type(given).__name__
        raise ValidationError(f"a loader is a name such as 'qemu-kvm', not {kind}")
    wanted = name.strip().lower().replace("_", "-")
    if wanted not in loader_names():
        hint = nearest(wanted, loader_names())
        raise ValidationError(f"there is no loader {name!r}", hint=hint)
    module = importlib.import_module(f"{_FOLDER}.{wanted.replace('-', '_')}")
    loader: Loader = module.LOADER
    return loader


FAMILIES = ("qemu", "cloud-hypervisor")
"""Programs that are several loaders: words that stand for all whose names begin with them."""

_ALL = "all"


def loaders_named(*names: str, tools: bool = True) -> list[Loader]:
    """The loaders that `names` and groups of them stand for, each once.

    Args:
        names: names of loaders, `qemu` or `cloud-hypervisor` for all of a program, or `all`.
        tools: whether `all` has the tools that only compute digests.

    Raises:
        ValidationError: there is no such loader or group.
    """
    chosen: dict[str, Loader] = {}
    for name in names:
        folded = name.strip().lower().replace("_", "-")
        if folded in {*FAMILIES, _ALL}:
            start = "" if folded == _ALL else f"{folded}-"
            members = [known for known in loader_names() if known.startswith(start)]
            group = [loader_of(known) for known in members]
            group = [loader for loader in group if tools or not loader.is_tool]
        else:
            group = [loader_of(folded)]
        chosen |= {loader.name: loader for loader in group}
    return list(chosen.values())
