"""Runs a rule over a file: the places that break it become findings, as many as are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.checks.finding import Finding
from igvm.checks.inspection.record_fields import field_offset, field_value
from igvm.checks.rule import Lazy, Many, Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Rule
    from igvm.file.view import IgvmFile

_LAST_DIGIT = 9
"""The highest number that is shown in decimal."""


MOST_LISTED = 10_000
"""Findings of all rules together that are listed of a file; of each rule one is in any case."""


def run_all(rules: Iterable[Rule], inspected: InspectedFile, most: int) -> list[Finding]:
    """The findings of `rules`: at most `most` of each, and MOST_LISTED together."""
    findings: list[Finding] = []
    for rule in rules:
        findings += run(rule, inspected, min(most, MOST_LISTED - len(findings)))
    return findings


def run(rule: Rule, inspected: InspectedFile, most: int) -> list[Finding]:
    """The findings of one rule: at most `most`, the last of which counts the rest."""
    most = max(1, most)
    file = inspected.file
    listed: list[Finding] = []
    total = 0
    for broken in rule.body(inspected):
        room = most - len(listed)
        if isinstance(broken, Many):
            total += len(broken.index)
            rows = range(min(room, len(broken.index)))
            listed += [_header_finding(rule, file, broken, row) for row in rows]
        elif isinstance(broken, Lazy):
            total += broken.count
            numbers = range(min(room, broken.count))
            listed += [_finding(rule, file, broken.place(number)) for number in numbers]
        else:
            total += 1
            if room:
                listed.append(_finding(rule, file, broken))
    if total > len(listed):
        listed[-1] = msgspec.structs.replace(listed[-1], more=total - len(listed))
    return listed


def _header_finding(rule: Rule, file: IgvmFile, broken: Many, row: int) -> Finding:
    """The finding for the header at `row` of the many that break `rule`."""
    index = int(broken.index[row])
    header = file.header(index)
    offset, value = header.offset, None
    if broken.field:
        offset += 8 + field_offset(type(header.record), broken.field)  # type: ignore[arg-type]
        value = field_value(header.record, broken.field)
    if isinstance(broken.describe, str):
        shown = f"{value:#x}" if isinstance(value, int) and value > _LAST_DIGIT else value
        message = broken.describe.format(field=broken.field, value=value, shown=shown)
    else:
        message = broken.describe(row)
    place = Place(
        message,
        index=index,
        header=header.name,
        field=broken.field or None,
        offset=offset,
        value=value,
    )
    return _finding(rule, file, place)


def _finding(rule: Rule, file: IgvmFile, place: Place) -> Finding:
    """What is reported for `place`."""
    name, offset = place.header, place.offset
    if place.index is not None:
        header = file.header(place.index)
        name = name or header.name
        offset = header.offset if offset is None else offset
    return Finding(
        rule=rule.name,
        severity=rule.severity,
        message=f"{place.message}; {rule.words}" if place.message else rule.words,
        found=place.message,
        header_index=place.index,
        header_type=name,
        field=place.field,
        offset=offset,
        value=place.value,
    )
