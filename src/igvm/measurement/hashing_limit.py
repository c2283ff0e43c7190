"""How much a measurement hashes, and the most that is hashed for a file of a given size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.launch.plan import PAGE, exact_sum

if TYPE_CHECKING:
    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.technology import Rows, Technology

FREE = 1 << 30
"""Bytes that are hashed for any file: about a second's work."""
PER_BYTE = 1 << 14
"""Bytes that are hashed for each byte of the file: as much again for every 64 KiB."""

# Rows looked at together, to keep temporaries small.
_ROWS = 1 << 16


def require_bounded(plan: LaunchPlan, technology: Technology) -> None:
    """Refuse a plan whose measurement hashes more than the size of its file allows.

    Numbers in a header decide how many pages a parameter area, an error range or a page without
    data has; what they cost has to be in proportion to what somebody took the trouble to send.

    Raises:
        MeasurementError: it does; the error names the limit.
    """
    limit = FREE + PER_BYTE * len(plan.file.buffer)
    size = hashed_size(plan, technology)
    if size > limit:
        raise MeasurementError(
            f"measuring it hashes {_gib(size)}, and the limit for a file of "
            f"{len(plan.file.buffer)} bytes is {_gib(limit)}",
            path=plan.file.path,
            hint="it is 1 GiB and 16 KiB for each byte of the file; docs/measure.md has the limits",
        )


def hashed_size(plan: LaunchPlan, technology: Technology) -> int:
    """Bytes that measuring `plan` hashes, small pieces counted as what they cost; or nearly so."""
    import numpy as np

    weights = np.zeros(256)
    for operation, size in technology.hashed.items():
        weights[operation] = size
    total = 0.0
    rows = plan.rows
    if technology.shares_digests:
        total += PAGE * _distinct_pages(rows)
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        # Floating point, since the pages of a hostile file are more than 64 bits can count.
        pages = part["loaded"] * part["measured"].astype(np.float64)
        total += float((pages * weights[part["operation"]]).sum())
    return int(total)


def _distinct_pages(rows: Rows) -> int:
    """Measured pages with data, those of rows with the same source counted once."""
    import numpy as np

    with_data = rows[rows["measured"] & (rows["source"] >= 0) & (rows["loaded"] > 0)]
    _, first = np.unique(with_data["source"], return_index=True)
    return exact_sum(with_data["loaded"][first])


def _gib(size: int) -> str:
    """`size` in GiB, with a decimal."""
    return f"{size / (1 << 30):,.1f} GiB"
