"""Changes that loaders make to what a file asks for, as several of them do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.file.context_columns import context_formats
from igvm.launch.plan import MEMORY, NO_SOURCE, PAGE, Missing, Refusal
from igvm.spec.enums import HeaderType, PageDataFlags, PageDataType
from igvm.spec.initialization import GuestPolicy
from igvm.spec.isolation import CONTEXT_FORMATS, isolation_of
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.plan import LaunchPlan

LARGE_PAGES = 512
"""Pages of 4 KiB in a page of 2 MiB."""


def ignoring_shared(plan: LaunchPlan, where: NDArray[np.bool_] | None = None) -> LaunchPlan:
    """`plan` of a loader that does not look at the SHARED flag, of all pages or those `where`."""
    import numpy as np

    rows = plan.rows
    shared = plan.of(Operation.SHARED)
    if where is not None:
        shared &= where
    if not shared.any():
        return plan
    rows = rows.copy()
    is_unmeasured = rows["flags"] & np.uint32(PageDataFlags.UNMEASURED) != 0
    data_types = rows["data_type"]
    is_cpuid = (data_types == PageDataType.CPUID_DATA) | (data_types == PageDataType.CPUID_XF)
    rows["operation"][shared] = Operation.NORMAL
    rows["operation"][shared & is_unmeasured] = Operation.UNMEASURED
    rows["operation"][shared & (data_types == PageDataType.SECRETS)] = Operation.SECRETS
    rows["operation"][shared & is_cpuid] = Operation.CPUID
    counted = list(isolation_of(plan.platform).measured)
    rows["measured"][shared] = np.isin(rows["operation"][shared], counted)
    return plan.with_rows(rows)


def empty_pages_as(plan: LaunchPlan, operation: Operation) -> LaunchPlan:
    """`plan` with normal pages without data loaded by another operation."""
    empty = plan.of(Operation.NORMAL) & (plan.rows["source"] == NO_SOURCE)
    if not empty.any():
        return plan
    rows = plan.rows.copy()
    rows["operation"][empty] = operation
    return plan.with_rows(rows)


def one_page_each(plan: LaunchPlan, where: NDArray[np.bool_], why: str) -> LaunchPlan:
    """`plan` with one page loaded of each of the rows `where`, were it an area of no bytes."""
    return plan.loading(where, 1, why)


def split_large(plan: LaunchPlan, why: str) -> LaunchPlan:
    """`plan` with normal pages of 2 MiB that have data as 4 KiB of it and zeroes after it."""
    import numpy as np

    rows = plan.rows
    large = plan.from_headers(HeaderType.PAGE_DATA) & (rows["pages"] == LARGE_PAGES)
    large &= (rows["source"] >= 0) & plan.of(Operation.NORMAL, Operation.UNMEASURED)
    if not large.any():
        return plan
    plan = plan.explained(large, why)
    rows = plan.rows
    repeated = rows[np.repeat(np.arange(len(rows)), np.where(large, 2, 1))].copy()
    second = np.flatnonzero(large) + np.arange(1, int(large.sum()) + 1)
    for name, first_value, second_value in (("pages", 1, 511), ("loaded", 1, 511)):
        repeated[name][second - 1], repeated[name][second] = first_value, second_value
    repeated["gpa"][second] += np.uint64(PAGE)
    repeated["source"][second] = NO_SOURCE
    return plan.with_rows(repeated)


def appended(plan: LaunchPlan, rows: NDArray[np.void], blobs: tuple[bytes, ...]) -> LaunchPlan:
    """`plan` with more rows at its end, and the bytes that they refer to."""
    import numpy as np

    batch = int(plan.rows["batch"].max(initial=-1)) + 1
    rows["batch"] = batch + np.arange(len(rows))
    return msgspec.structs.replace(
        plan, rows=np.concatenate([plan.rows, rows]), blobs=(*plan.blobs, *blobs)
    )


def refusing_wraps(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with a refusal where pages run past the end of the address space."""
    import numpy as np

    rows = plan.rows
    if not len(rows) or int(rows["gpa"].max()) + int(rows["loaded"].max()) * PAGE <= 1 << 64:
        return plan
    memory = plan.of(*MEMORY, Operation.ERROR_RANGE) & (rows["loaded"] > 0)
    last = rows["gpa"] + (rows["loaded"].clip(min=1) - np.uint64(1)) * np.uint64(PAGE)
    wraps = memory & (last < rows["gpa"])
    return plan.refused(wraps, "it runs past the end of the address space", "gpa")


def ending_at_the_top(plan: LaunchPlan) -> LaunchPlan:
    """`plan` of the igvm crate, which adds no page of an area that reaches 2^64 or beyond.

    It goes through the addresses from the area's first to its end, and an end that wraps is not
    above the first.
    """
    import numpy as np

    rows = plan.rows
    sizes = rows["pages"] * np.uint64(PAGE)
    wraps = plan.of(Operation.PARAMETER) & (sizes != 0) & (rows["gpa"] + sizes <= rows["gpa"])
    wraps |= plan.of(Operation.PARAMETER) & (rows["pages"] >= 1 << 52)
    if not wraps.any():
        return plan
    header = plan.file.header(int(rows["header"][wraps][0]))
    plan = plan.loading(wraps, 0, "the igvm crate takes no page of an area that reaches 2^64")
    return assuming(
        plan,
        f"the igvm crate takes no page of a parameter area that reaches 2^64, as the one at "
        f"{header.offset:#x} of the file does",
    )


def sharing_masks(plan: LaunchPlan) -> LaunchPlan:
    """`plan` that says so if another platform of the file has a mask bit in common with its own."""
    masks = plan.file.platform_masks
    names = [
        kind.name for kind, bits in masks.items() if bits & plan.mask and kind != plan.platform
    ]
    if not names:
        return plan
    shared = f"{plan.platform.name} shares its mask {plan.mask:#x} with {' and '.join(names)}"
    return assuming(plan, f"{shared}: what the file has for one is for the other")


def decoded_by_crate(plan: LaunchPlan, *, refused: bool) -> LaunchPlan:
    """`plan` of a program that reads files with the igvm crate.

    Of platforms that share a mask the crate decodes contexts for the last (igvm 0.5.0, lib.rs,
    mask_map), so that those of another format are nothing for the platform of the plan.

    Args:
        plan: what a platform asks for.
        refused: the program does not go on then; else it passes over them.
    """
    own = isolation_of(plan.platform).context
    contexts = plan.of(Operation.VP_CONTEXT)
    if own is None or not contexts.any():
        return plan
    formats, _ = context_formats(plan.file, plan.file.masks[plan.rows["header"][contexts]])
    is_other = (formats >= 0) & (formats != CONTEXT_FORMATS.index(own))
    if not is_other.any():
        return plan
    where = contexts.copy()
    where[contexts] = is_other
    why = "the igvm crate decodes it for the last of the platforms that share its mask"
    if refused:
        return plan.loading(where, 0, f"fatal: {why}").refused(where, why, "compatibility_mask")
    plan = plan.unmeasured(where, why).loading(where, 0, why)
    kinds = [kind for kind, bits in plan.file.platform_masks.items() if bits & plan.mask]
    last = kinds[-1].name
    return assuming(plan, f"the igvm crate decodes contexts of mask {plan.mask:#x} for {last}")


def requiring_policy(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with a refusal where there is no policy for the platform."""
    masks = plan.file.table(GuestPolicy)[GuestPolicy.compatibility_mask].tolist()
    if any(mask & plan.mask == plan.mask for mask in masks):
        return plan
    message = f"there is no GUEST_POLICY for {plan.platform.name}"
    return plan.refusing(Refusal(message, hint="not every loader asks for one"))


def needing(plan: LaunchPlan, parameter: str, message: str) -> LaunchPlan:
    """`plan` that cannot be measured before `parameter` is known."""
    if any(known.parameter == parameter for known in plan.missing):
        return plan
    return msgspec.structs.replace(plan, missing=(*plan.missing, Missing(parameter, message)))


def assuming(plan: LaunchPlan, *sentences: str) -> LaunchPlan:
    """`plan` that rests on more than the file says."""
    return msgspec.structs.replace(plan, assumptions=(*plan.assumptions, *sentences))
