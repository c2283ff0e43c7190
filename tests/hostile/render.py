"""The renderers, as hostile tests call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import igvm
from igvm import report
from tests.golden_text import DIGEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.report.terminal_text import Line

_OPTIONS = (report.DumpOptions(), report.DumpOptions(raw=True, data=64))


def every_way(file: igvm.IgvmFile) -> None:
    """Render `file` as text, as JSON and for notebooks, and make it again from its dump."""
    summary = report.info(file, rules=())  # checking is tried where this is called
    findings = report.checked(file)
    _fits(report.info_text(summary))
    _fits(report.check_text(findings))
    report.encode(summary)
    report.encode(report.CheckReport(files=[findings]), pretty=True)
    for options in _OPTIONS:
        _fits(report.dump_text(report.frame(file, options, []), report.entries(file, options)))
    for page in (file._repr_html_(), file.table(igvm.PageData)._repr_html_()):
        assert page is not None
        assert page.isprintable()
    whole = report.dump(file)
    data = file.buffer[whole.file.data_offset :]
    assert file.to_bytes() == report.rebuild(report.encode(whole), data)


def _fits(lines: Iterable[Line]) -> None:
    """No line is wider than a terminal but for digests, and none steers it."""
    for line in lines:
        text = report.plain(line)
        assert text.isprintable()
        assert len(text) <= 80 or DIGEST.fullmatch(text), text
