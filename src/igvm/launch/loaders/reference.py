"""The igvm crate 0.5.0: everything in file order, as its measurement module does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.draft import LARGE
from igvm.launch.loaders.loader import (
    Loader,
    one_page_each,
    operations,
    refuse,
    require_policy,
    start,
)
from igvm.launch.plan import PAGE
from igvm.spec.enums import HeaderType, PageDataType, PlatformType

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.loaders.loader import Request
    from igvm.launch.plan import LaunchPlan

_WITHOUT = (PlatformType.CCA, PlatformType.SEV, PlatformType.SEV_ES)
"""Platforms that the crate does not measure."""


def shape(draft: Draft, _request: Request) -> LaunchPlan:
    """File order; an empty page is a page of zeroes; shared pages are left out.

    The crate measures one page of 4 KiB for a page with IS_2MB_PAGE. It has no measurement for
    CCA, SEV and SEV-ES: there the plan is the specification's own order, a page with IS_2MB_PAGE
    has 2 MiB of data, and on SEV and SEV-ES, which measure all that they import, what is
    unmeasured is not imported.

    Raises:
        MeasurementError: SNP without a GUEST_POLICY, or VBS with a special page: the crate refuses
            the first and panics on the second. Elsewhere, the data of a large page is not in the
            file.
    """
    platform = draft.platform
    if platform == PlatformType.SEV_SNP:
        require_policy(draft)
    if platform == PlatformType.VSM_ISOLATION:
        special = draft.rows["data_type"] != PageDataType.NORMAL
        refuse(draft, special, "VBS has no secrets or CPUID pages", "data_type")
    typed = platform == PlatformType.SEV_SNP
    plan = start(draft, operations(draft, typed=typed))
    if platform not in _WITHOUT:
        return one_page_each(plan, draft.of(HeaderType.PAGE_DATA))
    _require_data(draft)
    return plan


def _require_data(draft: Draft) -> None:
    """Refuse pages whose data, all of it, is not in the file."""
    import numpy as np

    rows = draft.rows
    pages = draft.of(HeaderType.PAGE_DATA) & (rows["source"] >= 0)
    ends = rows["source"] + rows["pages"].clip(max=LARGE // PAGE).astype(np.int64) * PAGE
    outside = pages & (ends > len(draft.file.buffer))
    refuse(draft, outside, "its data is not in the file", "file_offset")


REFERENCE = Loader(
    "reference",
    "the igvm crate",
    frozenset(PlatformType),
    "igvm 0.5.0, src/measurement/{snp,tdx,vbs}.rs",
    shape,
)
