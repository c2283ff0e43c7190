"""A file that is closed says so, and one whose closing is refused stays open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import igvm
from igvm import IgvmError, ValidationError
from tests.small_files import built_guests
from tests.small_files.samples import EVERY_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from igvm import IgvmFile

    Open = Callable[[], IgvmFile]

NAMES = sorted(name for name in dir(igvm.IgvmFile) if not name.startswith("_"))

ARGUMENTS: dict[str, Callable[[igvm.Header[Any], Path], tuple[Any, ...]]] = {
    "all_of": lambda _header, _path: (igvm.PageData,),
    "close": lambda _header, _path: (),
    "context": lambda header, _path: (header,),
    "data": lambda header, _path: (header,),
    "filter": lambda _header, _path: ("snp",),
    "header": lambda _header, _path: (0,),
    "lengths_of": lambda _header, _path: (slice(0, 1),),
    "save": lambda _header, path: (path / "out.igvm",),
    "table": lambda _header, _path: (igvm.PageData,),
    "to_bytes": lambda _header, _path: (),
}
"""What each method is called with."""

STILL_KNOWN = {"architecture", "close", "fixed_header", "page_size", "path", "revision"}
"""What a closed file still tells, or does."""

FUNCTIONS: dict[str, Callable[[IgvmFile], object]] = {
    "canonical": igvm.canonical,
    "check": igvm.check,
    "find": lambda file: igvm.find(file, bytes(48)),
    "measure": lambda file: igvm.measure(file, "snp"),
    "plan": lambda file: igvm.plan(file, "snp"),
}


@pytest.fixture(params=["mapped", "copied", "parsed"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """A function that opens a guest, in one of the ways there are."""
    path = tmp_path / "guest.igvm"
    built_guests.snp_tdx_guest().save(path)
    if request.param == "parsed":
        data = path.read_bytes()
        return lambda: igvm.parse(data, path=str(path))
    return lambda: igvm.open(path, copy=request.param == "copied")


def use(file: IgvmFile, name: str, header: igvm.Header[Any], folder: Path) -> object:
    """What the attribute `name` of `file` gives, called if it is a method."""
    value = getattr(file, name)
    return value(*ARGUMENTS[name](header, folder)) if callable(value) else value


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_file_says_so(opened: Open, tmp_path: Path, name: str) -> None:
    """Every attribute of a closed file raises our error, or needs none of the file's bytes."""
    file = opened()
    with opened() as other:
        header = next(head for head in other.directives if head.name == "VP_CONTEXT")
        file.close()
        if name in STILL_KNOWN:
            use(file, name, header, tmp_path)
            return
        with pytest.raises(ValidationError, match=r"guest\.igvm: the file is closed"):
            # A sequence is made without a look at the file, and its items are not.
            len(use(file, name, header, tmp_path))  # type: ignore[arg-type]
    assert ["guest.igvm"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_functions_on_a_closed_file(opened: Open, function: Callable[[IgvmFile], object]) -> None:
    """What takes an open file refuses a closed one with our error."""
    file = opened()
    file.close()
    with pytest.raises(IgvmError, match="the file is closed"):
        function(file)


HOLDERS: dict[str, Callable[[IgvmFile], object]] = {
    "buffer": lambda file: file.buffer,
    "column": lambda file: file.table(igvm.PageData)["gpa"],
    "data": lambda file: file.data(file.headers[-1]),
    "header": lambda file: file.headers[0],
    "section": lambda file: file.section,
    "table": lambda file: file.table(igvm.PageData),
    "trailing": lambda file: file.trailing,
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_a_refused_close_changes_nothing(
    tmp_path: Path, holder: Callable[[IgvmFile], object]
) -> None:
    """Everything works as before, and what was held too, until it is let go."""
    path = tmp_path / "guest.igvm"
    data = EVERY_HEADER["x64 v1"]
    path.write_bytes(data)
    file = igvm.open(path)
    held = holder(file)
    before = repr(held)
    for _ in range(2):
        with pytest.raises(ValidationError, match="in use"):
            file.close()
    assert before == repr(held)
    if not isinstance(held, igvm.Header):
        len(held)  # type: ignore[arg-type]
    assert data == file.to_bytes()
    assert [header.raw for header in igvm.parse(data).headers] == [
        header.raw for header in file.headers
    ]
    assert list(igvm.parse(data).table(igvm.PageData)) == list(file.table(igvm.PageData))
    assert igvm.check(igvm.parse(data)) == igvm.check(file)
    del held
    file.close()
    assert repr(file).endswith(": closed>")


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_views_outlive_a_file_that_is_not_mapped(holder: Callable[[IgvmFile], object]) -> None:
    """What was taken from bytes in memory works when the file is closed."""
    file = igvm.parse(EVERY_HEADER["x64 v1"])
    held = holder(file)
    before = repr(held)
    file.close()
    assert before == repr(held)
    if isinstance(held, igvm.Table):
        assert list(igvm.parse(EVERY_HEADER["x64 v1"]).table(igvm.PageData)) == list(held)
    if isinstance(held, memoryview):
        bytes(held)


def test_views_outlive_the_block(tmp_path: Path) -> None:
    """What was taken from a mapped file inside of `with` works after it; the file is closed."""
    path = tmp_path / "guest.igvm"
    path.write_bytes(EVERY_HEADER["x64 v1"])
    with igvm.open(path) as file:
        table, view, header = file.table(igvm.PageData), file.buffer, file.headers[0]
    assert EVERY_HEADER["x64 v1"] == bytes(view)
    assert len(table) == len(list(table))
    assert EVERY_HEADER["x64 v1"].find(header.raw) == header.offset
    with pytest.raises(ValidationError, match="the file is closed"):
        bytes(file.buffer)
