"""`igvm measure`: the digest that hardware will report, how it comes about, and why it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from igvm.cli import measure_options as read
from igvm.cli.shared import Verb, file_argument, json_option, open_file
from igvm.launch.loaders import NAMES
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from igvm.measurement.realm import RealmParameters

_DEFAULT = "reference"


@click.command("measure", cls=Verb, short_help="Tell launch measurements, and explain them.")
@file_argument
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    type=click.Choice([kind.name for kind in PlatformType], case_sensitive=False),
    help="Only this platform. May be given several times.",
)
@click.option(
    "--loader",
    "loaders",
    multiple=True,
    type=click.Choice([*NAMES, "all"]),
    metavar="NAME",
    help=f"What loads the file: {', '.join(NAMES)}; or `all` for a table. May be given several "
    f"times.  [default: {_DEFAULT}]",
)
@click.option(
    "--vcpus",
    callback=read.counts,
    metavar="N,...",
    help="Numbers of vCPUs, such as 1,2,4 or 1-8, for loaders that measure each; several give a "
    "table.",
)
@click.option(
    "--cpu",
    callback=read.processor,
    metavar="MODEL",
    help="Processor of vCPUs that the file does not describe: a model of QEMU or a signature.",
)
@click.option(
    "--sev-features",
    callback=read.features,
    metavar="HEX",
    help="SEV_FEATURES that KVM sets, where they are not those of the file.",
)
@click.option("--kernel", metavar="PATH", help="A kernel whose hash the loader measures.")
@click.option("--initrd", metavar="PATH", help="Its initrd.")
@click.option("--append", metavar="TEXT", help="Its command line; @PATH reads it from a file.")
@click.option(
    "--realm",
    callback=read.realm,
    metavar="s2sz=N,...",
    help="What the VMM chooses for a Realm: s2sz, sve_vl, num_bps, num_wps, pmu_num_ctrs, flags, "
    "ripas=BASE-TOP for each range of RAM, rmm=2.0. A range is split into the largest aligned "
    "blocks of 4 KiB, 2 MiB, 1 GiB and 512 GiB, as KVM does; blocks of a host that splits "
    "otherwise are given one by one.",
)
@click.option("--bare", is_flag=True, help="Print one digest and nothing else.")
@click.option(
    "--expect",
    callback=read.digest,
    metavar="HEX",
    help="Exit with 1 unless a digest is this one.",
)
@click.option("--explain", is_flag=True, help="Show each operation and the running digest.")
@click.option("--every-page", is_flag=True, help="With --explain: runs of pages one by one.")
@click.option(
    "--find",
    callback=read.digest,
    metavar="HEX",
    help="Search what leads to a digest from an attestation report: loaders, vCPUs, processors.",
)
@click.option(
    "--first-difference",
    "other",
    is_flag=False,
    flag_value="",
    metavar="[OTHER]",
    help="Where the launch of another file parts ways with this one, or that of a second --loader.",
)
@json_option
def command(
    *,
    path: str,
    platforms: tuple[str, ...],
    loaders: tuple[str, ...],
    vcpus: list[int] | None,
    cpu: str | None,
    sev_features: int | None,
    kernel: str | None,
    initrd: str | None,
    append: str | None,
    realm: RealmParameters | None,
    bare: bool,
    expect: bytes | None,
    explain: bool,
    every_page: bool,
    find: bytes | None,
    other: str | None,
    json: str,
) -> int:
    """Tell the launch measurement of every platform, and explain it.

    The digest depends on who loads the file: --loader names the loader, and `--loader all`
    compares them. Exits with 1 if --expect, --find or --first-difference are not content.
    """
    ways = {
        "--bare": bare,
        "--expect": expect is not None,
        "--explain": explain,
        "--find": find is not None,
        "--first-difference": other is not None,
    }
    chosen = [name for name, given in ways.items() if given]
    if len(chosen) > 1:
        raise click.UsageError(f"{chosen[0]} and {chosen[1]} do not go together")
    if every_page and not explain:
        raise click.UsageError("--every-page needs --explain")
    if bare and json != "off":
        raise click.UsageError("--bare and --json do not go together")
    names = read.loader_names(loaders or (() if find is not None else (_DEFAULT,)))
    hashes = read.kernel_hashes(kernel, initrd, append, names)
    file = open_file(path)
    from igvm.cli import measure_modes as modes
    from igvm.report.measure import Settings

    asked = modes.Asked(
        file=file,
        platforms=modes.platforms(file, platforms),
        named=bool(platforms),
        loaders=names,
        vcpus=vcpus,
        settings=Settings(cpu, sev_features, hashes, realm),
        json=json,
    )
    if find is not None:
        return modes.find(asked, find)
    if explain:
        return modes.explain(asked, every_page=every_page)
    if other is not None:
        return modes.difference(asked, other)
    return modes.measure(asked, expect, bare=bare)
