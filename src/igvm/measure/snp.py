"""SEV-SNP launch digest: SHA-384 over one PAGE_INFO after another (SNP firmware ABI 8.17.2)."""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from typing import TYPE_CHECKING

from igvm.launch.plan import Operation
from igvm.measure.contents import Contents, pages_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.plan import LaunchPlan

PAGE_TYPE = {
    Operation.NORMAL: 1,
    Operation.VP_CONTEXT: 2,
    Operation.ZERO: 3,
    Operation.UNMEASURED: 4,
    Operation.PARAMETER: 4,
    Operation.SECRETS: 5,
    Operation.CPUID: 6,
}
"""PAGE_INFO.PAGE_TYPE of each operation; the others do not reach the firmware as an update."""

_LENGTH = 0x70


def updates(plan: LaunchPlan) -> tuple[bytes, Contents]:
    """What follows the running digest in each PAGE_INFO, 64 bytes a page, and the contents.

    The first 48 of the 64 bytes are zero where the contents do not count.
    """
    import numpy as np

    types = np.zeros(256, np.uint8)
    for operation, page_type in PAGE_TYPE.items():
        types[operation] = page_type
    kinds = types[plan.rows["operation"]]
    pages = pages_of(plan, kinds != 0)
    tails = np.zeros(
        len(pages.gpa),
        np.dtype([("length", "<u2"), ("type", "u1"), ("rest", "u1", (5,)), ("gpa", "<u8")]),
    )
    tails["length"], tails["type"], tails["gpa"] = _LENGTH, kinds[pages.row], pages.gpa
    counted = (tails["type"] == 1) | (tails["type"] == 2)
    return tails.tobytes(), Contents(plan, pages.source[counted], "sha384")


def digest(plan: LaunchPlan) -> bytes:
    """The launch digest, 48 bytes."""
    last = deque(chain(plan), maxlen=1)
    return last[0] if last else bytes(48)


def chain(plan: LaunchPlan) -> Iterator[bytes]:
    """The running digest after each page.

    The firmware hashes a zero contents field, not the hash of a zero page, where the contents are
    not measured (SNP ABI 8.17.2).
    """
    tails, contents = updates(plan)
    hashed = iter(contents)
    none = bytes(48)
    sha384 = hashlib.sha384
    running = none
    for (tail,) in struct.iter_unpack("16s", tails):
        page_type = tail[2]
        content = next(hashed) if page_type == 1 or page_type == 2 else none  # noqa: PLR1714 - hot
        running = sha384(running + content + tail).digest()
        yield running
