"""What the rules say about real files, and about files that the reference refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import igvm

if TYPE_CHECKING:
    from pathlib import Path

AGAINST_THE_SPECIFICATION = {
    # Shapes of random registers, keys and documents, merged.
    "merge_shape_corim_doc_sig__v1_snp_min.igvm": {"corim-cbor"},
    "merge_shape_params_all__snp_special_pages.igvm": {"context-reserved"},
    "merge_shape_snp_id_block__vbs_measurement.igvm": {
        "context-reserved",
        "id-block-author-unused",
    },
}
"""Files of the tools that break a rule, every one rightly."""

STRICTER_REFERENCE = {
    # Headers for no platform of the file, that are never carried out: warnings.
    "cca_mask2.igvm",
    "reloc_overlap_other_mask.igvm",
    "vp_mask_undefined.igvm",
    # Optional headers are part of the format.
    "fuzz_286.igvm",
    "opt_first.igvm",
    # No file data, VPs but the first and registers beyond its own list: warnings.
    "nodata_zero_page.igvm",
    "vbs_arm_x64reg.igvm",
    "vbs_vp1.igvm",
    # A region that moves no registers needs no context.
    "reloc_wrong_vtl.igvm",
}
"""Files that the reference refuses and the specification does not."""


def errors(path: Path) -> set[str]:
    """The rules of which the file at `path` has errors."""
    return {finding.rule for finding in igvm.check(igvm.open(path)) if finding.is_error}


@pytest.mark.corpus("tools/*.igvm")
def test_files_of_the_tools_have_no_errors_but_real_ones(corpus_file: Path) -> None:
    """A rule that speaks up about a file of a tool in use had better be right."""
    assert AGAINST_THE_SPECIFICATION.get(corpus_file.name, set()) == errors(corpus_file)


@pytest.mark.corpus("invalid/*.igvm")
def test_what_the_reference_refuses_has_an_error(corpus_file: Path) -> None:
    """The rules catch every file that the reference refuses, but for those that it need not."""
    facts = json.loads(corpus_file.with_name(corpus_file.name + ".json").read_text())
    refused = facts["reference_release"]["parse"]["verdict"] != "ok"
    try:
        has_error = bool(errors(corpus_file))
    except igvm.FormatError:
        has_error = True
    if refused:
        assert has_error != (corpus_file.name in STRICTER_REFERENCE)
