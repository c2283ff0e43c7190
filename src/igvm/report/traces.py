"""How the measurement of a launch comes about, step by step."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal

import msgspec

from igvm.measurement.explain import Step, explain
from igvm.measurement.measure import measure_plan
from igvm.measurement.technology_table import technology_of
from igvm.report.encoding import encode, encode_streamed
from igvm.report.file_model import FileModel  # noqa: TC001 - msgspec reads annotations
from igvm.spec.enums import PlatformType  # noqa: TC001 - msgspec reads annotations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.realm import RealmParameters


_FEW = 1 << 12
"""Steps that are kept, so that the digest of the last can stand before them."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """How one measurement comes about."""

    platform: PlatformType
    name: str
    """What the technology calls its measurement."""
    loader: str
    algorithm: str
    """The hash, by hashlib's name."""
    digest: bytes
    steps: list[Step]


class ExplainReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `igvm explain --json` prints."""

    schema: Literal["igvm.explain/1"] = "igvm.explain/1"
    file: FileModel
    traces: list[Trace]


def trace(
    plan: LaunchPlan, *, realm: RealmParameters | None = None, every_page: bool = False
) -> Trace:
    """How the measurement of `plan` comes about.

    Args:
        plan: from `igvm.plan`.
        realm: what the VMM chooses for a Realm; needed for CCA.
        every_page: a step for every page, register and RTT entry, instead of one for each run.

    Raises:
        LoadError: the loader refuses the file.
        MeasurementError: the platform is not measured, or something is missing.
    """
    steps = list(explain(plan, realm=realm, every_page=every_page))
    # A plan without operations has no step, and yet a digest.
    digest = steps[-1].digest if steps else measure_plan(plan, realm=realm).digest
    return msgspec.structs.replace(_frame(plan, digest), steps=steps)


def encode_trace(
    plan: LaunchPlan,
    *,
    realm: RealmParameters | None = None,
    every_page: bool = False,
    pretty: bool = False,
) -> Iterator[bytes]:
    """The same trace as JSON, in pieces: it takes memory for one step, however many there are.

    Raises:
        LoadError: as for `trace`, before the first piece.
        MeasurementError: the same.
    """
    steps = explain(plan, realm=realm, every_page=every_page)
    few = list(itertools.islice(steps, _FEW + 1))
    if few and len(few) <= _FEW:
        digest, steps = few[-1].digest, iter(few)
    else:
        # The digest stands before the steps, and so it is measured before.
        digest = measure_plan(plan, realm=realm).digest
        steps = explain(plan, realm=realm, every_page=every_page)
    frame = _frame(plan, digest)
    return encode_streamed(frame, ([encode(step, pretty=pretty)] for step in steps), pretty=pretty)


def _frame(plan: LaunchPlan, digest: bytes) -> Trace:
    """A trace without its steps."""
    technology = technology_of(plan.platform)
    return Trace(
        platform=plan.platform,
        name=technology.measurement,
        loader=plan.loader,
        algorithm=technology.algorithm(plan),
        digest=digest,
        steps=[],
    )
