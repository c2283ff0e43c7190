"""Launch measurements as plain values: what `igvm measure` shows."""

from __future__ import annotations

from typing import Literal

import msgspec

from igvm.report.file_model import FileModel  # noqa: TC001 - msgspec reads annotations


class MeasureResult(msgspec.Struct, frozen=True, kw_only=True):
    """One platform under one loader, or why it has no digest."""

    platform: str
    mask: int
    name: str | None
    """What the technology calls its measurement; null where it has none."""
    loader: str
    vcpus: int | None
    """The number of vCPUs that was asked for."""
    algorithm: str | None
    digest: str | None
    """In lower-case hexadecimal digits."""
    assumptions: list[str]
    """What the digest depends on and the file does not say."""
    pages: dict[str, int]
    """Pages of 4 KiB by the operation that loads them."""
    error: str | None
    """Why there is no digest."""
    hint: str | None
    missing: str | None
    """What must be given, or given otherwise: vcpus, cpu or realm."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """The digest that was expected, and whether a result has it."""

    digest: str
    matches: bool


class TraceStep(msgspec.Struct, frozen=True, kw_only=True):
    """One operation, or a run of equal ones."""

    operation: str
    gpa: int | None
    pages: int
    header: int | None
    """Position in the file of the first header; null where there is none."""
    note: str
    measured: bool
    digest: str
    """The running digest after it."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """How one measurement comes about."""

    platform: str
    loader: str
    name: str
    algorithm: str
    digest: str
    steps: list[TraceStep]


class MatchModel(msgspec.Struct, frozen=True, kw_only=True):
    """One way to the digest that was searched for."""

    platform: str
    loader: str
    deviations: list[str]
    vcpus: int | None
    cpu: str | None
    sev_features: int | None
    kernel_hashes: bool
    options: str
    """The options of `igvm measure` that say the same, deviations apart."""


class SearchModel(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found."""

    digest: str
    matches: list[MatchModel]
    tried: int
    refused: dict[str, str]
    """Profiles that refuse the file, by `PLATFORM loader`, and why."""


class PlaceModel(msgspec.Struct, frozen=True, kw_only=True):
    """One page of one launch."""

    operation: str
    gpa: int
    page: int
    pages: int
    header: int | None
    source: int | None
    """Offset of its bytes in the file; null where they are not in it."""
    vp_index: int


class FieldModel(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a context, in both launches."""

    name: str
    first: str
    second: str


class DifferenceModel(msgspec.Struct, frozen=True, kw_only=True):
    """Where two launches part ways; `kind` is null where they do not."""

    platform: str
    first_file: str | None
    second_file: str | None
    first_loader: str
    second_loader: str
    kind: str | None
    index: int
    """Pages before it, all of them equal."""
    first: PlaceModel | None
    second: PlaceModel | None
    offset: int | None
    bytes: int
    fields: list[FieldModel]


class MeasureReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `igvm measure --json` prints; lists that were not asked for are empty."""

    schema: Literal["igvm.measure/1"] = "igvm.measure/1"
    file: FileModel
    results: list[MeasureResult] = []
    expected: Expected | None = None
    traces: list[Trace] = []
    search: SearchModel | None = None
    differences: list[DifferenceModel] = []
