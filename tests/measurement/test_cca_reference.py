"""RIMs of generated Realms against the structures of the crate cca-rmm."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

import igvm
from igvm.measurement.technologies import cca
from tests.small_files import raw
from tests.small_files.contents import padded
from tests.small_files.guests import CCA, file_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.oracle.client import Oracle

WORD = st.integers(0, (1 << 64) - 1)
PAGES = 1 << 19
"""Pages in the protected half of the narrowest IPA space."""
BLOCKS = {"page": 1 << 12, "block": 1 << 21}


class Page(NamedTuple):
    """A page to load."""

    number: int
    byte: int | None
    """What it is full of; None where it is not measured."""


class Rec(NamedTuple):
    """A virtual processor."""

    runnable: bool
    pc: int
    gprs: tuple[int, ...]


pages = st.builds(Page, st.integers(0, PAGES - 1), st.none() | st.integers(0, 255))
recs = st.builds(Rec, st.booleans(), WORD, st.tuples(*[WORD] * 8))
ranges = st.tuples(st.integers(0, 511), st.sampled_from(list(BLOCKS)))
parameters = st.fixed_dictionaries(
    {
        "s2sz": st.integers(32, 48),
        "num_bps": st.integers(0, 255),
        "num_wps": st.integers(0, 255),
        "flags": st.sampled_from([0, 1, 8, 0x80, 0x88, 1 << 63]),
    },
    optional={"sve_vl": st.integers(0, 15), "pmu_num_ctrs": st.integers(0, 31)},
)


def file_of(loaded: Sequence[Page | Rec], algorithm: int) -> igvm.IgvmFile:
    """A file that loads pages and virtual processors in their order."""
    data = []
    headers = [raw.cca_policy(algorithm=algorithm)]
    for number, item in enumerate(loaded):
        if isinstance(item, Rec):
            registers = {f"x{index}": value for index, value in enumerate(item.gprs)}
            context = igvm.CCAContext(**registers, pc=item.pc, flags=item.runnable)
            data.append(padded(context.pack()))
            headers.append(raw.context(raw.at(number), index=number))
        else:
            data.append(bytes([item.byte or 0]) * 4096)
            flags = 2 if item.byte is None else 0
            headers.append(raw.page(item.number * 4096, raw.at(number), flags=flags))
    return file_for(CCA, *headers, data=data)


def operations_of(loaded: Sequence[Page | Rec]) -> list[dict[str, Any]]:
    """What the RMM extends for them."""
    operations: list[dict[str, Any]] = []
    for item in loaded:
        if isinstance(item, Page):
            operations.append({"op": "data", "ipa": item.number * 4096})
            if item.byte is not None:
                operations[-1]["content"] = base64.b64encode(bytes([item.byte]) * 4096).decode()
        elif item.runnable:
            operations.append({"op": "rec", "pc": item.pc, "gprs": item.gprs})
    return operations


@settings(max_examples=200)
@given(
    st.sampled_from(["sha256", "sha512"]),
    parameters,
    st.lists(ranges, max_size=3, unique_by=lambda ram: ram[0]),
    st.lists(pages | recs, max_size=6, unique_by=lambda item: getattr(item, "number", item)),
)
def test_generated_realms(
    oracle: Oracle,
    algorithm: Literal["sha256", "sha512"],
    chosen: dict[str, Any],
    ram: list[tuple[int, str]],
    loaded: list[Page | Rec],
) -> None:
    """Every running RIM is that of the crate, from the parameters to the last operation."""
    ripas = [(number << 21, (number << 21) + BLOCKS[kind]) for number, kind in ram]
    operations = [{"op": "ripas", "base": base, "top": top} for base, top in ripas]
    theirs = oracle.realm(algorithm, chosen, [*operations, *operations_of(loaded)])
    plan = igvm.plan(file_of(loaded, {"sha256": 0, "sha512": 1}[algorithm]), CCA)
    realm = igvm.RealmParameters(**chosen, ripas=tuple(ripas))
    assert theirs == tuple(cca.chain(plan, realm))
