"""Writes docs/loaders.md: what each loader does with a file, and what its hosts vary.

`python docs/generate_loaders.py > docs/loaders.md`; a test compares them.
"""

from __future__ import annotations

import importlib
import itertools

from igvm.launch.kvm.vmsa_axes import RDX_AXIS, VMSA_AXES
from igvm.launch.loader_table import loaders_named
from igvm.launch.machine import memory_text
from igvm.launch.processors import HOST, REAL_PROCESSORS, RealProcessor
from igvm.launch.programs.qemu_machines import MACHINES, Region
from igvm.measurement.lint import all_rules
from igvm.measurement.technology_table import technologies

_HEAD = """\
# Will it boot there?

`igvm check FILE --loader NAME` and `igvm.lint(file, loader)` say what a loader makes of a file:

- an **error** where the guest does not start, or the loader crashes;
- a **warning** where something in the file is ignored, changed or depends on luck;
- a **note** on what a guest or its owner should know.

A finding's rule is `loader/NAME/RULE`, and its message ends with where the fact was read. "run"
says that it was seen to happen; everything else was read in the source. What only the host knows
is not judged, such as what its processor can do; but for QEMU see below.
`igvm rules --loader NAME` lists the rules below in a terminal, and `igvm rules RULE` explains one.

A program that ends prints a sentence, and `igvm rules --search "device tree not available"` finds
the rule that it is about. Of an error of libigvm QEMU prints a number alone, such as
`Unable to parse IGVM file guest.igvm: -16`; `--search=-16` finds the rules of the reference that
it stands for.

"""

_MACHINES = """
## QEMU's machines

Whether QEMU comes up with a file depends on where its machine has RAM, ROM and devices. So the
loaders for QEMU take a machine, `--machine NAME[,vga=none] --memory SIZE --vcpus N`, or
`igvm.lint(file, "qemu-tcg", machine=igvm.Machine("pc", memory=512 << 20))`. What is not said is
assumed, and the output says what that was: q35 with its VGA adapter, and 128 MiB and one vCPU as
QEMU has without `-m` and `-smp`. `vga=none` stands for `-vga none` and `-nodefaults`.

On q35 and pc, an error of `device`, `region-edge` or `region-empty` stands exactly where QEMU
ends at the first boot, and a warning of `reset` where it ends when the guest is reset and the
file is processed again: all of 576 recorded runs with 512 MiB and without VGA are foretold.
microvm and isapc have the devices and edges below, read in QEMU's source; no file was run there.

| machine | RAM below 4 GiB | devices | VGA | 0xc0000 to 0xdffff |
| --- | --- | --- | --- | --- |
"""

_AXES = """
## What hosts vary

Attested digests differ by things that no file says. `igvm find` tries the values below, those
first that are less unlikely, and `igvm measure --host AXIS=VALUE` and
`igvm.measure(file, platform, host={"AXIS": "VALUE"})` take any of them.

| technology | axis | value | what is then otherwise | seen |
| --- | --- | --- | --- | --- |
"""

_PROCESSORS = """
### Processors

A vCPU after a reset has the CPU signature of its processor in RDX: that of a model of QEMU, or with
`-cpu host` that of the real one. `--cpu host:NAME` is the first signature of a row for
`igvm measure`, and each of them for `igvm find`, which without `--cpu` tries all of these and those
of QEMU's models. Where no stepping is published, `igvm measure` wants the signature itself.

| `--cpu` | processor | CPU signatures | source |
| --- | --- | --- | --- |
"""

_FOOT = """\
This page is written by `python docs/generate_loaders.py > docs/loaders.md`, and a test compares
them.
"""


def page() -> str:
    """The page, from the declarations."""
    parts = [
        _HEAD,
        "| loader | what it is | platforms | reads files with |\n| --- | --- | --- | --- |\n",
    ]
    for loader in loaders_named("all", tools=False):
        kinds = loader.platforms if loader.judged is None else loader.judged
        platforms = (" and " if loader.is_told else ", else ").join(kind.name for kind in kinds)
        parts.append(f"| `{loader.name}` | {loader.title} | {platforms} | igvm {loader.crate} |\n")
    for subject, rules in itertools.groupby(all_rules(), key=lambda item: item[0].subject):
        title = (importlib.import_module(subject).__doc__ or "").partition("\n")[0].rstrip(".")
        parts.append(f"\n## {title}\n")
        for rule, owners in rules:
            words = rule.sentence(*(loader.program for loader in owners))
            names = ", ".join(f"`{loader.name}`" for loader in owners)
            reason = rule.rationale.replace("\n", " ").replace("  ", "\n\n")
            parts.append(
                f"\n### {rule.name}: {rule.severity.name.lower()}\n\n"
                f"{words[:1].upper()}{words[1:]}.\n\n{reason}\n\n"
                f":Loaders: {names}\n{printed(rule.messages)}:Source: {rule.source}\n"
            )
    return "".join([*parts, machines(), axes(), "\n---\n\n", _FOOT])


def printed(messages: tuple[str, ...]) -> str:
    """What the program prints, as a field of a rule."""
    return f":Prints: {' or '.join(f'``{message}``' for message in messages)}\n" if messages else ""


def machines() -> str:
    """What each machine of QEMU has, a row each."""
    lines = [_MACHINES]
    for machine in MACHINES.values():
        if machine.most_memory < machine.split_from:
            ram = f"all, up to {memory_text(machine.most_memory)}"
        else:
            low, least = memory_text(machine.below_4g), machine.split_from
            is_past = least % 4096 != 0
            ram = (
                f"all, or {low} of {'more than ' if is_past else ''}{memory_text(least - is_past)}"
            )
            ram += "" if is_past else " and more"
        columns = [
            ", ".join(f"{region.what} {_range(region)}" for region in found) or "none"
            for found in (machine.devices, machine.vga)
        ]
        rom = "a region of its own" if machine.has_rom_at_first else "RAM"
        if machine.has_rom_after_reset and not machine.has_rom_at_first:
            rom = "RAM, lost at the first boot; a region of its own after a reset"
        lines.append(f"| {machine.name} | {ram} | {columns[0]} | {columns[1]} | {rom} |\n")
    return "".join(lines)


def _range(region: Region) -> str:
    return f"{region.start:#x} to {region.end - 1:#x}"


def axes() -> str:
    """The axes of every technology, and those of the VMSAs that KVM builds."""
    tables = {platform.name: technology.axes for platform, technology in technologies().items()}
    tables["SEV_SNP, SEV_ES"] = VMSA_AXES
    lines = []
    for name, known in tables.items():
        for axis in known:
            # The axis of CPU signatures has the processors as its values, which have a table.
            is_listed = axis is not RDX_AXIS
            for choice in axis.choices if is_listed else axis.choices[:1]:
                value = f"`{choice.value}`" if is_listed else "a processor, as for `--cpu`"
                words = choice.words if is_listed else "the contexts have its signature in RDX"
                lines.append(f"| {name} | `{axis.name}` | {value} | {words} | {choice.seen} |\n")
    rows = [
        f"| `{HOST}{name}` | {processor.title} | {signatures_text(processor)} "
        f"| {processor.source} |\n"
        for name, processor in REAL_PROCESSORS.items()
    ]
    return "".join([_AXES, *lines, _PROCESSORS, *rows])


def signatures_text(processor: RealProcessor) -> str:
    """The CPU signatures of a processor, the one of production first."""
    texts = ", ".join(f"`{signature:#x}`" for signature in processor.signatures)
    return texts if processor.has_production else f"{texts} (guesses)"


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
