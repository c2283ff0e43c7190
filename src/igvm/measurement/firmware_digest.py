"""The SEV-SNP launch digest after the pages of firmware, which --snp-ovmf-hash stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.launch.directives import directives
from igvm.launch.flash import Flash
from igvm.measurement.technologies import snp
from igvm.spec.enums import PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from igvm.file.view import IgvmFile


def firmware_digest(file: IgvmFile) -> bytes:
    """The launch digest after the firmware of `file`, its pages that end at 4 GiB, 48 bytes.

    It is what sev-snp-measure prints in its mode `snp:ovmf-hash`, and the `firmware_digest` of
    `igvm.measure`.

    Raises:
        ValidationError: the file is not for SEV-SNP.
        MeasurementError: it has no page that ends at 4 GiB.
    """
    platform = file.platforms.find(PlatformType.SEV_SNP)
    plan = directives(file, platform.type, platform.mask)
    rows = Flash(plan).rows.copy()
    if not len(rows):
        message = "no page ends at 4 GiB: there is no firmware that QEMU could be given"
        raise MeasurementError(message, path=file.path)
    rows["operation"], rows["measured"] = Operation.NORMAL, True
    return snp.digest(plan.with_rows(rows))
