"""What a loader is: a name, the platforms it knows, its sources, and a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from igvm.errors import MeasurementError
from igvm.launch.plan import NO_SOURCE, PAGE, LaunchPlan, Operation, row_dtype
from igvm.spec.enums import HeaderType, PageDataFlags, PageDataType, PlatformType
from igvm.spec.initialization import GuestPolicy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.draft import Draft
    from igvm.launch.hashes import KernelHashes


class Request(NamedTuple):
    """What a loader's result depends on besides the file."""

    vcpus: int | None = None
    cpu: str | int | None = None
    """A processor model of QEMU, or a CPU signature."""
    sev_features: int | None = None
    """What KVM runs the guest with, where that is not what the file says."""
    hashes: KernelHashes | None = None
    """Hashes of kernel, initrd and command line, where the loader measures them."""


class Loader(msgspec.Struct, frozen=True):
    """One loader, or one tool that computes digests."""

    name: str
    words: str
    """What it is, in one line."""
    platforms: frozenset[PlatformType]
    """The platforms that it loads."""
    source: str
    """Where its behaviour was read."""
    shape: Any
    """From a Draft and a Request to a LaunchPlan."""
    every_vmsa: bool = False
    """Whether it takes VMSAs of all platforms, whatever their mask."""
    takes_hashes: bool = False
    """Whether it puts the hashes of a kernel into guest memory."""

    def plan(self, draft: Draft, request: Request) -> LaunchPlan:
        """The plan of this loader.

        Raises:
            MeasurementError: the loader does not know the platform, refuses the file, or needs
                to be told something that the file does not say; something runs past the end of
                the address space.
        """
        if draft.platform not in self.platforms:
            names = ", ".join(kind.name for kind in sorted(self.platforms))
            message = f"loader {self.name} does not load {draft.platform.name}; it loads {names}"
            raise MeasurementError(message, path=draft.file.path)
        if request.hashes is not None and not self.takes_hashes:
            message = f"loader {self.name} does not measure the hashes of a kernel"
            raise MeasurementError(message, path=draft.file.path)
        made: LaunchPlan = self.shape(draft, request)
        _refuse_wrapping(made)
        return msgspec.structs.replace(made, loader=self.name)


def _refuse_wrapping(plan: LaunchPlan) -> None:
    """Refuse pages past the end of the address space, about which loaders disagree."""
    import numpy as np

    rows = plan.rows
    if not len(rows) or int(rows["gpa"].max()) + int(rows["pages"].max()) * PAGE <= 1 << 64:
        return
    last = rows["gpa"] + (rows["pages"].clip(min=1) - np.uint64(1)) * np.uint64(PAGE)
    wrong = last < rows["gpa"]
    if wrong.any():
        header = plan.file.header(int(rows["header"][wrong.argmax()]))
        raise MeasurementError(
            "it runs past the end of the address space",
            path=plan.file.path, offset=header.offset, header=header.name, field="gpa",
        )  # fmt: skip


def start(draft: Draft, operations: NDArray[np.uint8], **more: Any) -> LaunchPlan:
    """A plan of all rows of `draft`, with one operation each."""
    import numpy as np

    rows = np.zeros(len(draft.rows), row_dtype())
    rows["operation"] = operations
    for name in ("gpa", "pages", "source", "header", "vp_index"):
        rows[name] = draft.rows[name]
    return LaunchPlan(
        file=draft.file, platform=draft.platform, mask=draft.mask, loader="", rows=rows, **more
    )


_OPERATIONS = {
    HeaderType.PARAMETER_INSERT: Operation.PARAMETER,
    HeaderType.ERROR_RANGE: Operation.ERROR_RANGE,
    HeaderType.VP_CONTEXT: Operation.VP_CONTEXT,
}


def operations(
    draft: Draft,
    *,
    shared: Operation = Operation.SHARED,
    empty: Operation = Operation.NORMAL,
    typed: bool = True,
) -> NDArray[np.uint8]:
    """The operation of every row of `draft`, by the rules that most loaders share.

    Args:
        draft: the rows.
        shared: what becomes of pages with the SHARED flag.
        empty: what becomes of normal pages without data.
        typed: whether SECRETS and CPUID pages are anything but normal ones.
    """
    import numpy as np

    rows = draft.rows
    flags, types = rows["flags"], rows["data_type"]
    result = np.full(len(rows), Operation.NORMAL, np.uint8)
    result[rows["source"] == NO_SOURCE] = empty
    if flags.any():
        result[flags & np.uint32(PageDataFlags.UNMEASURED) != 0] = Operation.UNMEASURED
    if typed and types.any():
        result[types == PageDataType.SECRETS] = Operation.SECRETS
        cpuid = (types == PageDataType.CPUID_DATA) | (types == PageDataType.CPUID_XF)
        result[cpuid] = Operation.CPUID
    if shared == Operation.SHARED and flags.any():
        result[flags & np.uint32(PageDataFlags.SHARED) != 0] = Operation.SHARED
    other = np.flatnonzero(rows["kind"] != HeaderType.PAGE_DATA)
    result[other] = [_OPERATIONS[kind] for kind in rows["kind"][other].tolist()]
    return result


def one_page_each(plan: LaunchPlan, where: NDArray[np.bool_]) -> LaunchPlan:
    """`plan` with one page for each of the rows at `where`, were it an area of no bytes."""
    cut = where & (plan.rows["pages"] != 1)
    if not cut.any():
        return plan
    rows = plan.rows.copy()
    rows["pages"][cut] = 1
    return plan.with_rows(rows)


def split_large(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with 2 MiB pages as 4 KiB of data and zeroes after it: what loaders read of them."""
    import numpy as np

    rows = plan.rows
    large = (rows["pages"] == 512) & (rows["source"] >= 0) & (rows["operation"] == Operation.NORMAL)
    if not large.any():
        return plan
    repeated = rows[np.repeat(np.arange(len(rows)), np.where(large, 2, 1))].copy()
    second = np.flatnonzero(large) + np.arange(1, int(large.sum()) + 1)
    repeated["pages"][second - 1] = 1
    repeated["pages"][second] = 511
    repeated["gpa"][second] += np.uint64(PAGE)
    repeated["source"][second] = -1
    return plan.with_rows(repeated)


def refusal(draft: Draft, index: int, message: str, field: str | None = None) -> MeasurementError:
    """The error for the header at `index`, which the loader does not take."""
    header = draft.file.header(index)
    return MeasurementError(
        message, path=draft.file.path, offset=header.offset, header=header.name, field=field
    )


def refuse(draft: Draft, where: NDArray[np.bool_], message: str, field: str | None = None) -> None:
    """Refuse a file that has rows at `where`.

    Raises:
        MeasurementError: there is one; the error names the first.
    """
    if where.any():
        raise refusal(draft, int(draft.rows["header"][where.argmax()]), message, field)


def require_policy(draft: Draft) -> None:
    """Refuse a file without a policy for the platform.

    Raises:
        MeasurementError: it has none.
    """
    masks = draft.file.table(GuestPolicy)[GuestPolicy.compatibility_mask].tolist()
    if not any(mask & draft.mask == draft.mask for mask in masks):
        raise MeasurementError(
            f"there is no GUEST_POLICY for {draft.platform.name}",
            path=draft.file.path,
            hint="not every loader asks for one",
        )


def need(value: Any, name: str, parameter: str, why: str, loader: str) -> Any:
    """`value`, if it was given.

    Raises:
        MeasurementError: it was not; `missing` is the parameter, and the message says why it is
            needed.
    """
    if value is None:
        message = f"loader {loader} needs {name}: {why}"
        raise MeasurementError(message, missing=parameter)
    return value
