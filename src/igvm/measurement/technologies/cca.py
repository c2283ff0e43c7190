"""Arm CCA Realm Initial Measurement (RIM), as the RMM extends it (RMM specification, TF-RMM)."""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.launch.plan import NO_SOURCE, PAGE, exact_sum
from igvm.measurement.host_axes import AREA_PAGES, EMPTY_CONTENTS, REGISTERS
from igvm.measurement.page_digests import PageDigests, page_sources, segments, windows
from igvm.measurement.realm import RealmParameters, known
from igvm.measurement.rmm import (
    DATA,
    measured_ripas,
    require_pages,
    require_realm,
    ripas_entries,
    version_of,
)
from igvm.measurement.technology import Links, Technology
from igvm.spec.context import CCAContext
from igvm.spec.enums import CCAHashAlgorithm, PlatformType
from igvm.spec.initialization import CCAPolicy
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.file.header import Header
    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.page_cache import ContentCache
    from igvm.measurement.realm import RealmParameters
    from igvm.measurement.technology import Rows

_DESCRIPTOR = 0x100
_RIM_FIELD = 64
_DATA, _REC, _RIPAS = 0, 1, 2
_EXTENDING = (*DATA, Operation.VP_CONTEXT)
_ALGORITHMS = {
    CCAHashAlgorithm.SHA256: "sha256",
    CCAHashAlgorithm.SHA384: "sha384",
    CCAHashAlgorithm.SHA512: "sha512",
}


def algorithm_of(plan: LaunchPlan) -> str:
    """The hash that the file's CCA_POLICY chooses, by hashlib's name; SHA-256 without one.

    Raises:
        MeasurementError: the policy names a hash that no RMM has.
    """
    policy = _policy(plan)
    if policy is None:
        return "sha256"
    algorithm = _ALGORITHMS.get(policy.record.hash_algorithm)
    if algorithm is None:
        raise _no_hash(plan, policy, f"there is no hash {int(policy.record.hash_algorithm)}")
    return algorithm


def _policy(plan: LaunchPlan) -> Header[CCAPolicy] | None:
    """The first CCA_POLICY for the platform."""
    policies = plan.file.all_of(CCAPolicy)
    return next(
        (policy for policy in policies if policy.record.compatibility_mask & plan.mask), None
    )


def _no_hash(
    plan: LaunchPlan, policy: Header[CCAPolicy], message: str, hint: str | None = None
) -> MeasurementError:
    return MeasurementError(
        message, path=plan.file.path, offset=policy.offset, header=policy.name,
        field="hash_algorithm", hint=hint, missing=None if hint is None else "realm",
    )  # fmt: skip


def _require(plan: LaunchPlan, realm: RealmParameters, algorithm: str) -> None:
    """Refuse what the RMM refuses.

    Raises:
        MeasurementError: the error says what, and why.
    """
    policy = _policy(plan)
    version = version_of(realm, algorithm)
    if policy is not None and algorithm == "sha384" and version < (2, 0):
        message = f"RMM {version[0]}.{version[1]} has no SHA-384"
        raise _no_hash(plan, policy, message, "RMM 2.0 has it: rmm=2.0")
    require_realm(realm, version)
    require_pages(plan, realm)


def assumptions(plan: LaunchPlan, realm: RealmParameters | None) -> tuple[str, ...]:
    """What the RIM depends on and nobody said, one sentence each."""
    if realm is None or realm.rmm is not None:
        return ()
    version = version_of(realm, algorithm_of(plan))
    return (f"the RMM has version {version[0]}.{version[1]}",)


def realm_parameters(realm: RealmParameters, algorithm: str) -> bytes:
    """RmiRealmParams, 4 KiB, with the fields that count; the others are zero."""
    flags = realm.flags
    if realm.sve_vl is not None:
        flags |= 2
    if realm.pmu_num_ctrs is not None:
        flags |= 4
    number = next(kind for kind, name in _ALGORITHMS.items() if name == algorithm)
    try:
        body = struct.pack(
            "<QI4xI4xI4xI4xI4xB", flags, realm.s2sz, realm.sve_vl or 0, realm.num_bps,
            realm.num_wps, realm.pmu_num_ctrs or 0, number,
        )  # fmt: skip
    except struct.error as error:
        raise MeasurementError(f"a realm parameter does not fit its field: {error}") from None
    return body.ljust(PAGE, b"\0")


def rec_parameters(context: CCAContext) -> bytes:
    """RmiRecParams, 4 KiB, with the fields that count: flags, pc and x0 to x7."""
    page = bytearray(PAGE)
    struct.pack_into("<Q", page, 0, context.flags)
    struct.pack_into("<Q", page, 0x200, context.pc)
    registers = [getattr(context, f"x{number}") for number in range(8)]
    struct.pack_into("<8Q", page, 0x300, *registers)
    return bytes(page)


def digest(
    plan: LaunchPlan, realm: RealmParameters | None, cache: ContentCache | None = None
) -> bytes:
    """The RIM: 32, 48 or 64 bytes, by the policy's hash."""
    return deque(chain(plan, realm, cache), maxlen=1)[0]


def chain(
    plan: LaunchPlan, realm: RealmParameters | None, cache: ContentCache | None = None
) -> Iterator[bytes]:
    """The running measurement: of the realm's creation, then after each extension.

    RIPAS changes come first, as a VMM makes them before it loads; then the plan's order.
    """
    realm = known(realm)
    algorithm = algorithm_of(plan)
    new = getattr(hashlib, algorithm)
    running = new(realm_parameters(realm, algorithm)).digest()
    _require(plan, realm, algorithm)
    yield running

    def extended(kind: int, *fields: bytes | bytearray) -> bytes:
        head = struct.pack("<B7xQ", kind, _DESCRIPTOR) + running.ljust(_RIM_FIELD, b"\0")
        made: bytes = new((head + b"".join(fields)).ljust(_DESCRIPTOR, b"\0")).digest()
        return made

    for base, top in measured_ripas(realm, algorithm):
        for entry in ripas_entries(base, top, realm.s2sz):
            running = extended(_RIPAS, struct.pack("<QQ", *entry))
            yield running
    for part in segments(plan):
        for kind, fields in _extensions(part, algorithm, cache):
            running = extended(kind, *fields)
            yield running


def _extensions(
    plan: LaunchPlan, algorithm: str, cache: ContentCache | None
) -> Iterator[tuple[int, tuple[bytes | bytearray, ...]]]:
    """The descriptor of each extension of a plan that has not many pages: its type, its fields."""
    import numpy as np

    new = getattr(hashlib, algorithm)
    kinds = plan.rows["operation"]
    contents = PageDigests(plan, page_sources(plan, kinds == Operation.NORMAL), algorithm, cache)
    hashed = iter(contents)
    at = 0
    for pages in windows(plan, np.isin(kinds, _EXTENDING)):
        kind = kinds[pages.row]
        data = (kind == Operation.NORMAL) & (pages.source != NO_SOURCE)
        pages.source[data] = np.where(
            contents.is_zero[at : at + int(data.sum())], NO_SOURCE, pages.source[data]
        )
        at += int(data.sum())
        every = zip(kind.tolist(), pages.gpa.tolist(), pages.source.tolist(), strict=True)
        for operation, gpa, source in every:
            if operation == Operation.VP_CONTEXT:
                context = CCAContext.unpack_from(plan.content(source, CCAContext.SIZE))
                if context.flags & 1:  # only runnable RECs count
                    yield _REC, (new(rec_parameters(context)).digest(),)
                continue
            content: bytes | bytearray = b""
            if operation == Operation.NORMAL:
                content = contents.zero if source == NO_SOURCE else next(hashed)
            measured = operation == Operation.NORMAL
            yield _DATA, (struct.pack("<QQ", gpa, measured), content)
    deque(hashed, maxlen=0)  # to its end, where the cache learns


def _links_of(plan: LaunchPlan, rows: Rows) -> int:
    """A granule has a link; a context has one if its REC can be run."""
    if rows["operation"][0] != Operation.VP_CONTEXT:
        return exact_sum(rows["loaded"])
    source = int(rows["source"][0])
    return CCAContext.unpack_from(plan.content(source, CCAContext.SIZE)).flags & 1


def _links_before(plan: LaunchPlan, realm: RealmParameters | None) -> Iterator[Links]:
    """The creation of the Realm, and the RTT entries that become RAM, which RMM 1.x measures."""
    realm = known(realm)
    created = f"IPA of {realm.s2sz} bits"
    yield Links("REALM", created, 1, (created,))
    for base, top in measured_ripas(realm, algorithm_of(plan)):
        notes = tuple(
            f"{start:#x} to {end:#x}" for start, end in ripas_entries(base, top, realm.s2sz)
        )
        entries = f", {len(notes)} entries" if len(notes) > 1 else ""
        yield Links("RIPAS", f"{base:#x} to {top:#x}{entries}", len(notes), notes)


TECHNOLOGY = Technology(
    platforms=(PlatformType.CCA,),
    measurement="RIM",
    algorithms=("sha256", "sha384", "sha512"),
    algorithm_of=algorithm_of,
    digest=digest,
    chain=chain,
    links_of=_links_of,
    links_before=_links_before,
    assumptions=assumptions,
    parameters=("realm",),
    cost=0.9,
    shares_digests=True,
    hashed=dict.fromkeys(_EXTENDING, 3 << 10),
    axes=(AREA_PAGES, EMPTY_CONTENTS, REGISTERS),
)
