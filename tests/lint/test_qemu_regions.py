"""QEMU's regions: the model against a slow and obvious second one, and what it knows of machines.

The second one follows the reference's "Regions, exactly" word for word, a region after the other,
over whole numbers; it shares nothing with the model but the names of the outcomes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import igvm
from igvm.launch.programs.qemu_machines import MACHINES, Region, madt_size, regions
from igvm.launch.programs.qemu_regions import Fit, first_boot, piece_dtype, prepared_memory
from tests.small_files.guests import NATIVE, RESET_PAGE, bytes_for
from tests.small_files.raw import area, insert, page, parameter, required

Q35 = igvm.Machine("q35", 512 << 20, 1, has_vga=False)
PC = igvm.Machine("pc", 512 << 20, 1, has_vga=False)

PAGE, LARGE, TOP = 4096, 1 << 21, 1 << 64


class SlowMemory:
    """Regions in a list, looked through from the lowest for every piece."""

    def __init__(self, machine: igvm.Machine) -> None:
        devices = [(0xFEC00000, 0x1000), (0xFED00000, 0x400), (0xFEE00000, 0x100000)]
        self.devices = [(start, start + size) for start, size in devices]
        self.made: list[tuple[int, int]] = []
        self.ram = [(0, 0x20000000)]
        if machine.name == "pc":
            self.reset()

    def reset(self) -> None:
        """As after a reset of the guest: what the file made stays."""
        self.ram = [(0, 0xC0000), (0xC0000, 0xE0000), (0xE0000, 0x20000000)]

    def prepare(self, start: int, size: int) -> bool:
        """Whether QEMU goes on after it has prepared `size` bytes at `start`."""
        for low, high in sorted([*self.devices, *self.ram, *self.made]):
            if start + size > low and start < high:
                is_device = (low, high) in self.devices
                return not is_device and low <= start and start + size <= high
        if size == 0:
            return False
        self.made.append((start, min(start + size, TOP)))
        return True


_EDGES = [
    *(0, 0x9F000, 0xA0000, 0xC0000, 0xE0000, 0x100000, 0x20000000, 0x30000000),
    *(0xFEC00000, 0xFEC01000, 0xFED00000, 0xFEE00000, 0xFEF00000, 1 << 32, TOP),
]
addresses = st.builds(
    lambda edge, pages: (edge + pages * PAGE) % TOP, st.sampled_from(_EDGES), st.integers(-4, 4)
)
sizes = st.sampled_from([0, PAGE, PAGE, 2 * PAGE, 3 * PAGE, 5 * PAGE, LARGE])
headers = st.lists(
    st.one_of(
        st.builds(page, addresses),
        st.builds(page, addresses, flags=st.just(1)),
        st.tuples(addresses, sizes),
        st.builds(required, addresses, sizes),
    ),
    min_size=1,
    max_size=7,
)


def requests(heads: list[bytes | tuple[int, int]]) -> tuple[list[bytes], list[tuple[int, int]]]:
    """The headers, an area before each insert, and what QEMU prepares for them in its order."""
    raw: list[bytes] = []
    prepared: list[tuple[int, int]] = []
    run: tuple[int, int, int] | None = None  # start, size, size of a page
    last_page = -1
    for number, head in enumerate(heads):
        if isinstance(head, tuple):
            gpa, size = head
            raw += [area(number, size), insert(number, gpa)]
            prepared.append((gpa, size))
            continue
        raw.append(head)
        gpa = int.from_bytes(head[8:16], "little")
        if int.from_bytes(head[:4], "little") == igvm.HeaderType.REQUIRED_MEMORY:
            prepared.append((gpa, int.from_bytes(head[20:24], "little")))
            continue
        size = LARGE if head[24] & 1 else PAGE
        joins = (
            run is not None
            and last_page == len(raw) - 2
            and run[2] == size
            and (run[0] + run[1]) % TOP == gpa
        )
        if run is not None and joins:
            run = (run[0], run[1] + size, size)
        else:
            if run is not None:
                prepared.append(run[:2])
            run = (gpa, size, size)
        last_page = len(raw) - 1
    if run is not None:
        prepared.append(run[:2])
    return raw, prepared


@pytest.mark.parametrize("machine", [Q35, PC], ids=["q35", "pc"])
@given(heads=headers)
def test_the_model_and_a_second_one_agree(
    machine: igvm.Machine, heads: list[bytes | tuple[int, int]]
) -> None:
    """Small files around every edge end QEMU at once, at the reset or never in both alike."""
    raw, prepared = requests(heads)
    slow = SlowMemory(machine)
    boots = all(slow.prepare(*piece) for piece in prepared)
    slow.reset()
    comes_back = boots and all(slow.prepare(*piece) for piece in prepared)
    findings = igvm.lint(igvm.parse(bytes_for(NATIVE, *raw)), "qemu-tcg", machine=machine)
    rules = {finding.rule.rpartition("/")[2] for finding in findings}
    assert boots == (not rules & {"device", "region-edge", "region-empty"})
    assert (boots and not comes_back) == ("reset" in rules)


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 7)),
        min_size=1,
        max_size=60,
    )
)
def test_crowds_in_a_hole(numbers: list[tuple[int, int]]) -> None:
    """Pieces that meet in a hole are decided in their order, each as the second model has it."""
    base = 1 << 40
    pieces = np.zeros(len(numbers), piece_dtype())
    pieces["start"] = [base + start * PAGE for start, _ in numbers]
    pieces["size"] = [count * PAGE for _, count in numbers]
    slow = SlowMemory(Q35)
    expected = [slow.prepare(int(piece["start"]), int(piece["size"])) for piece in pieces]
    fits, _ = first_boot(pieces, regions(Q35))
    assert expected == (fits < Fit.DEVICE).tolist()


def test_many_regions_in_the_worst_order() -> None:
    """Two hundred thousand regions from the highest to the lowest, which one piece then spans."""
    count = 200_000
    pieces = np.zeros(count + 1, piece_dtype())
    pieces["start"][:count] = (1 << 40) + np.arange(count, 0, -1, dtype=np.uint64) * 2 * PAGE
    pieces["size"][:count] = PAGE
    pieces["start"][count], pieces["size"][count] = 1 << 40, 2 * PAGE * (count + 1)
    fits, _ = first_boot(pieces, regions(Q35))
    assert ({Fit.MADE}, Fit.EDGE) == (set(fits[:count].tolist()), fits[count])


@pytest.mark.parametrize(
    ("machine", "ram"),
    [
        (igvm.Machine("q35", 0xB0000000 - 8192), [(0, 0xAFFFE000)]),
        (igvm.Machine("q35", 0xB0000000), [(0, 2 << 30), (4 << 30, 0x130000000)]),
        (igvm.Machine("pc", 0xE0000000), [(0, 3 << 30), (4 << 30, 0x120000000)]),
        (igvm.Machine("microvm", 3 << 30), [(0, 3 << 30)]),
        (igvm.Machine("microvm", 4 << 30), [(0, 3 << 30), (4 << 30, 5 << 30)]),
        (igvm.Machine("isapc", 3584 << 20), [(0, 0xE0000000)]),
        (igvm.Machine("q35", (16 << 20) + 1), [(0, (16 << 20) + 8192)]),
    ],
    ids=lambda value: f"{value.name} {value.memory:#x}" if isinstance(value, igvm.Machine) else "",
)
def test_where_ram_ends(machine: igvm.Machine, ram: list[tuple[int, int]]) -> None:
    """RAM is split where the machine has devices below 4 GiB; memory comes in 8 KiB."""
    known = regions(igvm.Machine(machine.name, machine.memory, has_vga=False))
    ends = [(region.start, region.end) for region in known if region.what == "RAM"]
    edges = {0xC0000, 0xE0000}
    assert [end for _, end in ram] == [end for _, end in ends if end not in edges]
    assert [start for start, _ in ram] == [start for start, _ in ends if start not in edges]


@pytest.mark.parametrize("name", MACHINES)
def test_regions_do_not_overlap(name: str) -> None:
    """Each machine has its regions by address, with VGA and without, before and after a reset."""
    for has_vga in (False, True):
        for after_reset in (False, True):
            known = regions(igvm.Machine(name, has_vga=has_vga), after_reset=after_reset)
            assert all(one.end <= other.start for one, other in pairwise(known))
            assert all(region.start < region.end for region in known)


@pytest.mark.parametrize(
    ("machine", "gpa", "ends"),
    [
        ("q35", 0xA0000, True),
        ("q35,vga=none", 0xA0000, False),
        ("microvm", 0xA0000, False),
        ("isapc", 0xBF000, True),
        ("isapc", 0xFEC00000, False),
        ("isapc", 0xE0000000, False),
        ("microvm", 0xFED00000, False),
        ("microvm", 0xFEB02000, True),
        ("microvm", 0xFEB03000, False),
        ("pc", 0xFED00000, True),
    ],
)
def test_devices_of_each_machine(machine: str, gpa: int, ends: bool) -> None:  # noqa: FBT001
    """A page over a device is an error on the machines that have it there."""
    file = igvm.parse(bytes_for(NATIVE, page(gpa)))
    rules = {finding.rule for finding in igvm.lint(file, "qemu-tcg", machine=machine)}
    assert ends == ("loader/qemu-tcg/device" in rules)


@pytest.mark.parametrize(
    ("machine", "at_once", "later"),
    [
        ("q35,vga=none", False, True),
        ("pc,vga=none", True, False),
        ("isapc,vga=none", True, False),
        ("microvm", False, False),
    ],
)
@pytest.mark.parametrize("edge", [0xC0000, 0xE0000])
def test_the_edges_of_rom(machine: str, edge: int, *, at_once: bool, later: bool) -> None:
    """A run over them ends pc and isapc at once, q35 at the reset, and microvm never."""
    file = igvm.parse(bytes_for(NATIVE, page(edge - PAGE), page(edge)))
    rules = {finding.rule for finding in igvm.lint(file, "qemu-tcg", machine=machine)}
    assert at_once == ("loader/qemu-tcg/region-edge" in rules)
    assert later == ("loader/qemu-tcg/reset" in rules)


@pytest.mark.parametrize("machine", ["q35", "pc", "isapc", "microvm"])
def test_device_trees(machine: str) -> None:
    """Only microvm has one."""
    file = igvm.parse(bytes_for(NATIVE, area(0), parameter(0x312, 0), page(RESET_PAGE)))
    rules = {finding.rule for finding in igvm.lint(file, "qemu-tcg", machine=machine)}
    assert (machine != "microvm") == ("loader/qemu-tcg/device-tree" in rules)


@pytest.mark.parametrize(
    ("vcpus", "size"), [(4, 0x90), (255, 0x868), (400, 4478)], ids=["4", "255", "400"]
)
def test_the_size_of_a_madt(vcpus: int, size: int) -> None:
    """Tables of 4 and 255 vCPUs were seen; from the 256th on entries have 16 bytes."""
    assert size == madt_size(igvm.Machine(vcpus=vcpus))


@pytest.mark.parametrize(("vcpus", "fits"), [(255, True), (400, False)])
def test_a_madt_that_does_not_fit(vcpus: int, fits: bool) -> None:  # noqa: FBT001
    """QEMU ends where the MADT of so many vCPUs is larger than its area."""
    file = igvm.parse(bytes_for(NATIVE, area(0), parameter(0x309, 0), page(RESET_PAGE)))
    findings = igvm.lint(file, "qemu-tcg", machine=igvm.Machine(vcpus=vcpus))
    rules = {finding.rule for finding in findings}
    assert fits == ("loader/qemu-tcg/parameter-bounds" not in rules)


def test_a_number_under_a_table() -> None:
    """A count at the start of a memory map's area is overwritten, and one after the map is not."""
    rule = "loader/qemu-tcg/parameter-collision"
    for offset, collides in ((0, True), (44, True), (48, False)):
        heads = [area(0), parameter(0x307, 0, offset), parameter(0x30C, 0), page(RESET_PAGE)]
        rules = {item.rule for item in igvm.lint(igvm.parse(bytes_for(NATIVE, *heads)), "qemu-tcg")}
        assert collides == (rule in rules)


def test_pages_that_wait() -> None:
    """An insert makes the region in a hole first, and the longer run before it has no place."""
    heads = [area(0), page(0x80000000), page(0x80001000), insert(0, 0x80000000)]
    plan = igvm.plan(igvm.parse(bytes_for(NATIVE, *heads)), NATIVE, loader="qemu-tcg")
    memory = prepared_memory(plan, Q35)
    assert [(PAGE, Fit.MADE), (2 * PAGE, Fit.EDGE)] == [
        (int(size), Fit(int(fit)))
        for size, fit in zip(memory.pieces["size"], memory.fits, strict=True)
    ]


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ("q36", "there is no machine 'q36'"),
        ("q35,vga=std", "'vga=std' is nothing that is known of a machine"),
        ("@machine.toml", "descriptions of machines in files are not read yet"),
        (
            igvm.Machine("isapc", 4 << 30),
            "4096 MiB is no memory for isapc, which has 1 MiB to 3584",
        ),
        (igvm.Machine(memory=4096), "0x1000 bytes is no memory for q35"),
        (igvm.Machine(vcpus=0), "0 is no number of vCPUs"),
    ],
    ids=["name", "option", "file", "too much", "too little", "vcpus"],
)
def test_machines_that_there_are_not(machine: str | igvm.Machine, message: str) -> None:
    """What is not known is refused in words."""
    file = igvm.parse(bytes_for(NATIVE, page(RESET_PAGE)))
    with pytest.raises(igvm.ValidationError, match=message):
        igvm.lint(file, "qemu-tcg", machine=machine)


def test_a_loader_without_machines() -> None:
    """A machine that a loader does nothing with is refused."""
    file = igvm.parse(bytes_for(NATIVE, page(RESET_PAGE)))
    with pytest.raises(igvm.ValidationError, match="openvmm does is not known machine by machine"):
        igvm.lint(file, "openvmm", machine="q35")


def test_regions_are_named() -> None:
    """A region says what it is."""
    assert Region(0xFEC00000, 0xFEC01000, "the I/O APIC") == regions(Q35)[1]
