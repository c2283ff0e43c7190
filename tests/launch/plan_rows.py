"""What a loader makes of a file, as text and as bytes."""

from __future__ import annotations

from typing import Any

import igvm
from tests.small_files.guests import SNP


def rows(file: igvm.IgvmFile, loader: str, platform: Any = SNP, **options: Any) -> list[str]:
    """The operations that count, one text each: name, gpa, and pages where there are several."""
    return [
        f"{row.operation.name} {row.gpa:x}" + (f" x{row.loaded}" if row.loaded != 1 else "")
        for row in igvm.plan(file, platform, loader=loader, **options)
        if row.measured or row.operation in {igvm.Operation.SHARED, igvm.Operation.ERROR_RANGE}
    ]


def vmsas(file: igvm.IgvmFile, loader: str, platform: Any = SNP, **options: Any) -> list[bytes]:
    """The contexts at the end of a plan."""
    plan = igvm.plan(file, platform, loader=loader, **options)
    return [
        bytes(plan.content(row.source))
        for row in plan
        if row.measured and row.operation == igvm.Operation.VP_CONTEXT
    ]
