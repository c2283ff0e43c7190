"""What a file that is no IGVM file is, and which IGVM files a firmware DLL holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from igvm.errors import FormatError
from igvm.file.read import is_igvm
from igvm.sources.file_kinds import file_kind, pe_kind
from igvm.sources.pe import pe_image, resources

if TYPE_CHECKING:
    from igvm.sources.pe import Resource

RESOURCE_TYPE = "VMFW"
"""The type of resource that firmware DLLs have IGVM files in: OpenHCL's `vmfirmwareigvm.dll` and
`vmfirmwarecvm.dll` as number 1 (openvmm, vm/loader/igvmfilegen/src/firmware_dll.rs), Hyper-V's
`vmfirmware.dll` under others, and firmware that is none beside them (vmgstool)."""
_MOST_NAMED = 4
_SCHEMA = re.compile(rb'"schema"\s*:\s*"igvm\.([a-z]+)/[0-9]+"')
_SCHEMA_WITHIN = 256
"""Bytes at the start of our JSON that name its schema."""
_NOT = "this is not an IGVM file"


def igvm_resources(data: memoryview) -> list[Resource]:
    """The resources of the DLL `data` that are IGVM files; none where it is no DLL.

    Raises:
        FormatError: its resource directory is damaged.
    """
    image = pe_image(data)
    listed = resources(data, image, RESOURCE_TYPE) if image is not None else []
    return [
        resource
        for resource in listed
        if is_igvm(data[resource.offset : resource.offset + resource.size])
    ]


def other_file_hint(data: memoryview) -> str:
    """What to say of `data`, which does not start as an IGVM file, in one line."""
    image = pe_image(data)
    words = file_kind(data)
    if image is not None and not image.is_uefi and words == pe_kind(image):
        words = f"{words}{_resources_in_words(data)}"
    made = _SCHEMA.search(bytes(data[:_SCHEMA_WITHIN]))
    if made is not None:
        words = f"JSON of igvm {made[1].decode()}"
        if made[1] == b"dump":
            words += ": igvm.report.rebuild makes a file of it"
    return f"{_NOT} but {words}" if words else _NOT


def _resources_in_words(data: memoryview) -> str:
    """Which IGVM files a DLL holds."""
    try:
        found = igvm_resources(data)
    except FormatError as error:
        where = "" if error.offset is None else f" (at {error.offset:#x})"
        return f" whose resources cannot be read: {error.message}{where}"
    if not found:
        return f"; none of its resources {RESOURCE_TYPE} is an IGVM file"
    if len(found) == 1:
        return f" with one in it, resource {found[0]}: igvm.open_inside reads it"
    more = f" and {len(found) - _MOST_NAMED:,} more" if len(found) > _MOST_NAMED else ""
    named = ", ".join(f"{each} ({each.size:,} bytes)" for each in found[:_MOST_NAMED])
    return f" with {len(found):,} in it, of which one has to be copied out: {named}{more}"
