"""The VMSAs of a launch as files: `--dump-vmsa DIR`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igvm.file.view import IgvmFile
    from igvm.report.launch_settings import Launch, LaunchSettings


def dump_vmsas(
    file: IgvmFile,
    launches: Sequence[Launch],
    settings: LaunchSettings,
    folder: str,
    *,
    overwrite: bool,
) -> None:
    """Write every VMSA that a launch measures to `folder`, in order: vmsa0.bin, vmsa1.bin, ...

    Args:
        file: what is launched.
        launches: what was asked for; one of them may have VMSAs.
        settings: of all of them.
        folder: is made if it is not there.
        overwrite: whether files that are there are replaced.

    Raises:
        UsageError: none of the launches has VMSAs, or several have.
        IgvmError: the launch cannot be planned or measured, or a file is there.
        OSError: the folder cannot be made.
    """
    from igvm.measurement.measure import require_measured
    from igvm.spec.enums import PlatformType
    from igvm.spec.operations import Operation
    from igvm.storage.save import save

    with_vmsas = (PlatformType.SEV_SNP, PlatformType.SEV_ES)
    chosen = [launch for launch in launches if launch.platform in with_vmsas]
    if len(chosen) != 1:
        count = len(chosen) or "none"
        message = f"--dump-vmsa wants one launch of SEV_SNP or SEV_ES and there is {count}"
        if chosen:
            message = f"--dump-vmsa wants one launch with VMSAs and there are {count}"
            message += "; choose with --platform, --loader and --vcpus"
        raise click.UsageError(message)
    plan = require_measured(settings.plan(file, chosen[0]), settings.realm)
    rows = plan.rows[plan.of(Operation.VP_CONTEXT) & plan.rows["measured"]]
    pages = [plan.content(source) for source in rows["source"].tolist()]
    paths = [os.path.join(folder, f"vmsa{index}.bin") for index in range(len(pages))]
    if not overwrite:
        _refuse_existing(paths)
    os.makedirs(folder, exist_ok=True)
    for path, page in zip(paths, pages, strict=True):
        save(path, [page], overwrite=overwrite)


def _refuse_existing(paths: Sequence[str]) -> None:
    """Refuse to write over anything, before anything is written.

    Raises:
        SaveError: one of `paths` is there.
    """
    from igvm.errors import SaveError

    for path in paths:
        if os.path.lexists(path):
            raise SaveError("the file exists", path=path, missing="overwrite")
