"""What a TD's report says of it beside MRTD: TDINFO_STRUCT and its hash (TDX module ABI)."""

from __future__ import annotations

import hashlib

import msgspec

from igvm.errors import MeasurementError

_SIZE = 512
_REGISTER = 48
_NONE = bytes(_REGISTER)


class TDInfo(msgspec.Struct, frozen=True, kw_only=True):
    """TDINFO_STRUCT: all that identifies a TD, 512 bytes. Registers and hashes have 48 bytes."""

    mrtd: bytes
    """The launch measurement: `igvm.measure(file, PlatformType.TDX).digest`."""
    attributes: int
    """TD attributes, 64 bits; bit 0 is DEBUG."""
    xfam: int
    """The extended features that the TD may use, 64 bits, as in XCR0 and IA32_XSS."""
    mrconfigid: bytes = _NONE
    """Software-defined: the configuration that the owner did not define."""
    mrowner: bytes = _NONE
    """Software-defined: who owns the TD."""
    mrownerconfig: bytes = _NONE
    """Software-defined: the configuration that the owner defined."""
    rtmr: tuple[bytes, bytes, bytes, bytes] = (_NONE, _NONE, _NONE, _NONE)
    """Run-time measurement registers 0 to 3, all zero at the start; see `rtmr_extend`."""
    servtd_hash: bytes = _NONE
    """Hash over the bound service TDs; zero without any."""

    def pack(self) -> bytes:
        """The structure, 512 bytes, reserved bytes zero.

        Raises:
            MeasurementError: a field does not have its size.
        """
        for name in ("attributes", "xfam"):
            if not 0 <= getattr(self, name) < 1 << 64:
                message = f"{name} {getattr(self, name):#x} does not fit 64 bits"
                raise MeasurementError(message, header="TDINFO", field=name)
        count = len(tuple(self.rtmr[:5]))  # whatever the type says
        if count != 4:
            message = f"there are 4 RTMRs, not {count}"
            raise MeasurementError(message, header="TDINFO", field="rtmr")
        registers = {
            "mrtd": self.mrtd,
            "mrconfigid": self.mrconfigid,
            "mrowner": self.mrowner,
            "mrownerconfig": self.mrownerconfig,
            **{f"rtmr{index}": register for index, register in enumerate(self.rtmr)},
            "servtd_hash": self.servtd_hash,
        }
        for name, register in registers.items():
            _require(register, "TDINFO", name)
        head = self.attributes.to_bytes(8, "little") + self.xfam.to_bytes(8, "little")
        return (head + b"".join(registers.values())).ljust(_SIZE, b"\0")

    def digest(self) -> bytes:
        """TEE_INFO_HASH of the TD's report: SHA-384 over the structure, 48 bytes.

        Raises:
            MeasurementError: a field does not have its size.
        """
        return hashlib.sha384(self.pack()).digest()


def rtmr_extend(register: bytes, digest: bytes) -> bytes:
    """A run-time measurement register after TDG.MR.RTMR.EXTEND with `digest`, 48 bytes.

    Args:
        register: what it holds, 48 bytes.
        digest: a SHA-384, 48 bytes.

    Raises:
        MeasurementError: an argument does not have 48 bytes.
    """
    _require(register, "RTMR", "register")
    _require(digest, "RTMR", "digest")
    return hashlib.sha384(register + digest).digest()


def _require(value: bytes, header: str, field: str) -> None:
    if len(value) != _REGISTER:
        message = f"it has {len(value)} bytes and must have {_REGISTER}"
        raise MeasurementError(message, header=header, field=field)
