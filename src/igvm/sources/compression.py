"""What is compressed, decompressed bit by bit: as much as is asked for and no more."""

from __future__ import annotations

import importlib
import zlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

from igvm.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP = 16 << 10
"""Compressed bytes that are looked at together."""
_MOST_MEMORY = 96 << 20
"""What xz may take for what it looks back at: its highest level, -9, takes 65 MiB."""


class _Decoder(Protocol):
    """What the modules of the standard library have in common."""

    @property
    def eof(self) -> bool:
        """Whether it has come to the end of what is compressed."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before more goes in."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was put in and follows the end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Put `data` in, and get at most so many bytes."""
        ...


class Decoding(NamedTuple):
    """How a module decompresses."""

    new_decoder: Callable[[], _Decoder]
    error: type[Exception]
    """What it raises for damaged bytes, among others."""


def _gzip() -> Decoding:
    return Decoding(_Inflater, zlib.error)


def _xz() -> Decoding:
    import lzma

    def new_decoder() -> _Decoder:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)

    return Decoding(new_decoder, lzma.LZMAError)


def _bzip2() -> Decoding:
    import bz2

    return Decoding(bz2.BZ2Decompressor, ValueError)


def _zstd() -> Decoding:
    module = importlib.import_module("compression.zstd")  # from Python 3.14 on
    return Decoding(module.ZstdDecompressor, module.ZstdError)


class Compression(NamedTuple):
    """A way to compress."""

    name: str
    magic: bytes
    tool: str
    """The command that decompresses."""
    load: Callable[[], Decoding] | None = None
    """Loads the module of the standard library; None where that has none."""

    def decoding(self) -> Decoding | None:
        """How this Python decompresses it; None where it does not."""
        try:
            return self.load() if self.load is not None else None
        except ImportError:
            return None


COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b\x08", "gunzip", _gzip),
    Compression("xz", b"\xfd7zXZ\0", "unxz", _xz),
    Compression("zstd", b"\x28\xb5\x2f\xfd", "unzstd", _zstd),
    Compression("bzip2", b"BZh", "bunzip2", _bzip2),
    Compression("lz4", b"\x04\x22\x4d\x18", "unlz4"),
)
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
"""How the first block starts behind the level, and what there is instead where nothing was
compressed."""


def compression_of(data: memoryview) -> Compression | None:
    """How `data` is compressed, by its first bytes; None where it is not."""
    for compression in COMPRESSIONS:
        if bytes(data[: len(compression.magic)]) == compression.magic:
            is_short = compression.name == "bzip2"  # three letters are no certain sign
            return None if is_short and bytes(data[4:10]) not in _BZIP2_BLOCKS else compression
    return None


class Decompressed:
    """What comes out of compressed bytes, as a stream that has no descriptor.

    Several streams after one another are one, as the tools have it; zeroes between and behind
    them are padding.
    """

    def __init__(self, data: memoryview, compression: Compression, decoding: Decoding) -> None:
        self._data, self._compression, self._decoding = data, compression, decoding
        self._decoder = decoding.new_decoder()
        self._position = 0

    def fileno(self) -> int:
        """None of the system's.

        Raises:
            OSError: always.
        """
        raise OSError

    def read(self, size: int = 1 << 20, /) -> bytes:
        """The next bytes, at most `size`; none at the end.

        Raises:
            FormatError: what is compressed is damaged or cut short, or something else follows.
        """
        while True:
            if self._decoder.eof and not self._starts_anew():
                return b""
            start, step = self._position, b""
            if self._decoder.needs_input:
                step = bytes(self._data[start : start + _STEP])
                self._position += len(step)
            try:
                part = self._decoder.decompress(step, size)
            except (OSError, EOFError, MemoryError, self._decoding.error) as error:
                message = f"cannot be decompressed, here or in the next {_STEP >> 10} KiB: {error}"
                raise self._wrong(message, start) from None
            if part:
                return part
            if not step and not self._decoder.eof:
                raise self._wrong("is cut short", len(self._data))

    def _starts_anew(self) -> bool:
        """Whether another stream follows; it is then what is read.

        Raises:
            FormatError: something else follows.
        """
        self._position -= len(self._decoder.unused_data)
        while True:
            step = bytes(self._data[self._position : self._position + _STEP])
            rest = step.lstrip(b"\0")
            self._position += len(step) - len(rest)
            if rest or not step:
                break
        if not rest:
            return False
        if not rest.startswith(self._compression.magic):
            left = len(self._data) - self._position
            raise self._wrong(f"ends here, and {left:,} bytes of something else follow", None)
        self._decoder = self._decoding.new_decoder()
        return True

    def _wrong(self, message: str, offset: int | None) -> FormatError:
        offset = self._position if offset is None else offset
        return FormatError(f"the {self._compression.name} data {message}", offset=offset)


class _Inflater:
    """zlib's decoder of gzip, with the manners of the others."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail and not self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
