"""`igvm.measure` and what it returns."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.errors import LoadError, MeasurementError
from igvm.measurement.technology_table import technologies
from tests.small_files import raw
from tests.small_files.contents import PAGE
from tests.small_files.guests import SNP, TDX, file_for

if TYPE_CHECKING:
    from pathlib import Path


def test_a_measurement_says_what_it_is() -> None:
    """Name, hash, platform, mask, loader and how many pages of each kind."""
    heads = [raw.area(1, 0x2000), raw.insert(1, 0x8000), raw.page(0x1000), raw.page(0x2000)]
    measurement = igvm.measure(file_for(SNP, raw.policy(), *heads), SNP)
    assert ("launch digest", "sha384") == (measurement.name, measurement.algorithm)
    assert (SNP, 1, "reference") == (measurement.platform, measurement.mask, measurement.loader)
    assert {"NORMAL": 2, "PARAMETER": 2} == measurement.pages


def test_every_technology_has_a_name_for_it() -> None:
    """All but NATIVE, which measures nothing."""
    assert {igvm.PlatformType.NATIVE} == set(igvm.PlatformType) - technologies().keys()
    file = file_for(igvm.PlatformType.NATIVE)
    with pytest.raises(MeasurementError, match="NATIVE has no launch measurement"):
        igvm.measure(file, igvm.PlatformType.NATIVE)


def test_the_reference_wants_a_policy_for_snp() -> None:
    """Other loaders do not, and the error says so."""
    with pytest.raises(LoadError, match="there is no GUEST_POLICY for SEV_SNP") as caught:
        igvm.measure(file_for(SNP), SNP)
    assert "not every loader asks for one" == caught.value.hint


def test_a_page_whose_data_is_not_in_the_file(tmp_path: Path) -> None:
    """The error names the file, the header and the field."""
    path = tmp_path / "cut.igvm"
    heads = raw.platform(3) + raw.page(0x1000, 0x100)
    path.write_bytes(raw.file(heads, data=PAGE[:100]))
    with pytest.raises(LoadError) as caught:
        igvm.measure(igvm.open(path), TDX)
    assert f"{path}+0x30: PAGE_DATA.file_offset: its data is not in the file" == str(caught.value)


def test_a_context_that_is_not_in_the_file() -> None:
    """Neither outside the file nor inside its fixed header."""
    for place in (0, 23, 0x100000):
        file = file_for(SNP, raw.policy(), raw.context(place))
        with pytest.raises(LoadError, match=r"VP_CONTEXT\.file_offset: its data is not"):
            igvm.measure(file, SNP)


SCRIPT = """
import igvm.measurement.technologies.cca
import igvm
from tests.small_files import raw
from tests.small_files.guests import TDX, file_for
file = file_for(TDX, raw.page(0x1000))
measurement = igvm.measure(file, TDX, loader="td-shim")
from igvm.measurement.measure import measure
assert measurement == measure(file, TDX, loader="td-shim")
"""


def test_the_package_does_not_hide_the_function(request: pytest.FixtureRequest) -> None:
    """`igvm.measure` can be called whatever of the package of that name was imported before."""
    root = str(request.config.rootpath)
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, cwd=root)
