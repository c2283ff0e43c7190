"""Everything that can be done with the bytes of a file: what no input may break."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import igvm
from igvm.checks import RULE_SETS
from igvm.errors import IgvmError
from igvm.spec.registry import TYPE_OF
from tests.hostile import render
from tests.hostile.peak_memory import peak_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Objects a header, findings and their text: what a reader of a hostile file may need per byte.
_BYTES_PER_BYTE = 400
_FREE = 4 << 20


def attempt(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What `work` returns, or None where it refuses the input the way it may."""
    with contextlib.suppress(IgvmError):
        return work(*arguments, **options)
    return None


def use(data: bytes, *, show: bool = True, rules: Iterable[str] = RULE_SETS) -> bool:
    """Do everything with `data`; an exception that is not an IgvmError comes out.

    Returns whether the bytes could be read as a file at all.
    """
    file = attempt(igvm.parse, data)
    if file is None:
        return False
    assert data == file.to_bytes()
    for header in file.headers:
        assert bytes(header.body) == header.record.pack()
        attempt(file.data, header)
        if header.name == "VP_CONTEXT":
            context = attempt(file.context, header)
            if isinstance(context, igvm.VBSContext):
                context.values()
    assert bytes(file.section) == b"".join(header.raw for header in file.headers) + bytes(
        file.trailing
    )
    for name in rules:
        for finding in igvm.check(file, name):
            str(finding)
    attempt(igvm.canonical, file)
    if show:
        _look(file)
    return True


def _look(file: igvm.IgvmFile) -> None:
    """What depends little on single values: columns, filters, and every way to render."""
    for record in TYPE_OF:
        assert len(file.table(record)) == len(file.all_of(record))
    for platform in igvm.PlatformType:
        attempt(file.filter, platform)
    render.every_way(file)


def bounded(data: bytes) -> None:
    """Do everything with `data` in memory that its size bounds."""
    assert peak_memory(lambda: use(data)) <= _FREE + _BYTES_PER_BYTE * len(data)
