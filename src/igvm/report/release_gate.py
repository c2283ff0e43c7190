"""What a release stops on: the findings that fail a check, and those that are left out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.checks.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.checks.finding import Finding


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """Which findings fail a check.

    Attributes:
        level: findings that are at least so bad do.
        rules: findings of these rules do, however bad they are.
        ignored: findings of these rules do not, and are counted apart.
    """

    level: Severity = Severity.ERROR
    rules: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()

    def stops_on(self, finding: Finding) -> bool:
        """Whether `finding` fails the check."""
        if finding.rule in self.ignored:
            return False
        return finding.severity >= self.level or finding.rule in self.rules


OPEN = Gate()
"""Errors fail, and nothing is left out."""


def gate(fail_on: Iterable[str], ignore: Iterable[str]) -> Gate:
    """The gate that names describe.

    Args:
        fail_on: severities in lower case, of which the least counts, and names of rules, as
            `rule_names` has them. Errors fail in any case.
        ignore: names of rules.
    """
    severities = {severity.name.lower(): severity for severity in Severity}
    names = list(fail_on)
    levels = [severities[name] for name in names if name in severities]
    return Gate(
        level=min(levels, default=Severity.ERROR),
        rules=_full_names(name for name in names if name not in severities),
        ignored=_full_names(ignore),
    )


def _full_names(names: Iterable[str]) -> frozenset[str]:
    """What findings call the rules that `names` stand for."""
    from igvm.report.rule_list import rule_names

    return frozenset(rule.full for name in names for rule in rule_names()[name])
