"""Parts become one `bytes`, small or large."""

from __future__ import annotations

import sys

import pytest

from igvm.storage import join as module
from igvm.storage.join import few, join


@pytest.mark.parametrize(
    "sizes",
    [[], [0], [1, 0, 2], [4 << 20], [100, 5 << 20, 0, 3], [4096] * 1100, [65535, 65536, 5 << 20]],
    ids=str,
)
def test_as_bytes_join(sizes: list[int]) -> None:
    """The result is that of `bytes.join`, hash included."""
    parts = [bytes([i % 251 + 1]) * size for i, size in enumerate(sizes)]
    result = join([memoryview(part) for part in parts])
    assert b"".join(parts) == result
    assert hash(b"".join(parts)) == hash(result)
    assert type(result) is bytes


def test_large_ends_with_a_nul() -> None:
    """A large result is a sound object: its size counts, and the byte after it is NUL."""
    result = join([b"x" * (5 << 20)])
    assert sys.getsizeof(result) == sys.getsizeof(b"") + len(result)
    assert 5 << 20 == int(result.decode().count("x"))


@pytest.mark.parametrize("without", ["Linux", "ctypes"])
def test_without_large_pages(monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    """Where `bytes` cannot be filled in place, the parts are joined as usual."""
    module._allocator.cache_clear()
    if without == "ctypes":
        monkeypatch.setitem(sys.modules, "ctypes", None)
    else:
        monkeypatch.setattr(sys, "platform", "win32")
    try:
        assert module._allocator() is None
        assert b"ab" * (3 << 20) == join([b"ab" * (3 << 20)])
    finally:
        module._allocator.cache_clear()


def test_small_parts_are_joined() -> None:
    """Many small parts become few, and a large one stays itself."""
    large = bytes(1 << 20)
    parts = [b"", b"ab", b"", b"c", large, b"", b"d"]
    result = list(few(parts))
    assert [b"abc", large, b"d"] == result
    assert result[1] is large
