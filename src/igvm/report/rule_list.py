"""The rules of the specification, the reference and the loaders, in one form, and as text."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from igvm.checks.finding import Severity  # noqa: TC001 - msgspec reads annotations
from igvm.report.check_results import SPECIFICATION
from igvm.report.findings_text import severity_piece
from igvm.report.rule_search import rules_about
from igvm.report.terminal_text import line, paragraph
from igvm.report.verdicts import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from igvm.checks.reference import ReferenceRule
    from igvm.checks.rule import Rule
    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.report.terminal_text import Line

_INDENT = 2


class RuleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, and who checks it."""

    name: str
    rule_sets: list[str]
    """The rule sets that it is part of: spec, igvm-0.4, igvm-0.5, or the names of loaders."""
    severity: Severity
    words: str
    """The rule in one sentence."""
    source: str
    """The clause, or the file of the reference or the loader, that says so."""
    rationale: str
    """Why it matters; may be empty."""
    crashes: bool
    """Whether the reference panics on a file that breaks it."""
    messages: list[str]
    """What a loader prints when it ends for this; `{gpa}` and the like stand for what varies."""
    result: int | None
    """The IgvmResult of libigvm, which is all that QEMU shows of an error of the reference."""

    def names(self) -> list[str]:
        """What a finding may call it: its name, alone and after the rule set or the loader."""
        if SPECIFICATION in self.rule_sets:
            return [self.name]
        prefix = "" if self.is_of_reference else "loader/"
        return [self.name, *(f"{prefix}{rule_set}/{self.name}" for rule_set in self.rule_sets)]

    @property
    def is_of_reference(self) -> bool:
        """Whether it is one of the reference's."""
        return self.rule_sets[0].startswith(REFERENCE)


class RuleList(msgspec.Struct, frozen=True, kw_only=True):
    """What `igvm rules --json` prints."""

    schema: Literal["igvm.rules/1"] = "igvm.rules/1"
    rules: list[RuleEntry]


def rule_list(
    rule_sets: Collection[str] = (), name: str | None = None, search: str | None = None
) -> RuleList:
    """The rules of rule sets or loaders, or of all, in the order they are checked.

    Args:
        rule_sets: `spec`, `igvm-0.4`, `igvm-0.5` or names of loaders; none for all.
        name: of a rule, alone or as a finding has it: `igvm-0.5/InvalidChecksum`,
            `loader/qemu-tcg/order-trap`.
        search: what a hypervisor printed, a part of it, the number of libigvm's result, or words.
    """
    rules = [
        entry
        for entry in _all_rules()
        if (not rule_sets or not set(rule_sets).isdisjoint(entry.rule_sets))
        and (name is None or _is_called(entry, name))
    ]
    return RuleList(rules=rules if search is None else rules_about(rules, search))


class RuleName(NamedTuple):
    """What findings of one rule call it, under one of those that check it."""

    full: str
    """`checksum`, `igvm-0.5/InvalidChecksum`, `loader/openvmm/overlap`."""
    rule_set: str
    """`spec`, a release of the reference, or a loader."""


@functools.cache
def rule_names() -> Mapping[str, tuple[RuleName, ...]]:
    """Every way to call rules, in lower case and with `-` for `_`, and which rules those are.

    A rule is called by its name alone, which is that of all rules of the name; after the rule set
    or the loader and a `/`; and as findings call it.
    """
    names: dict[str, dict[RuleName, None]] = {}
    for entry in _all_rules():
        for rule_set in entry.rule_sets:
            qualified = f"{rule_set}/{entry.name}"
            prefix = "" if entry.is_of_reference else "loader/"
            full = entry.name if rule_set == SPECIFICATION else f"{prefix}{qualified}"
            for name in (entry.name, qualified, full):
                names.setdefault(folded(name), {})[RuleName(full, rule_set)] = None
    return {name: tuple(rules) for name, rules in names.items()}


def folded(name: str) -> str:
    """The name of a rule as `rule_names` has it."""
    return name.strip().lower().replace("_", "-")


def _is_called(entry: RuleEntry, name: str) -> bool:
    """Whether `name` is that of a rule, alone or after one of its rule sets or loaders."""
    full_names = (f"{rule_set}/{entry.name}" for rule_set in entry.rule_sets)
    return name == entry.name or name.removeprefix("loader/") in full_names


def _all_rules() -> Iterator[RuleEntry]:
    """Every rule that there is."""
    from igvm.checks.reference import REFERENCE_RULES
    from igvm.checks.rule import SPEC_RULES
    from igvm.checks.specification import load
    from igvm.measurement.lint import all_rules

    load()
    for rule in SPEC_RULES.values():
        yield _entry(rule, [SPECIFICATION], rule.words, rule.rationale)
    for reference_rule in REFERENCE_RULES.values():
        rule_sets = [f"{REFERENCE}{release}" for release in reference_rule.releases]
        crashes = reference_rule.crashes
        result = reference_rule.result
        yield _entry(
            reference_rule, rule_sets, reference_rule.words, crashes=crashes, result=result
        )
    for loader_rule, loaders in all_rules():
        sentence = loader_rule.sentence(*(loader.program for loader in loaders))
        names = [loader.name for loader in loaders]
        yield _entry(
            loader_rule, names, sentence, loader_rule.rationale, messages=loader_rule.messages
        )


def _entry(
    rule: Rule | ReferenceRule | LoaderRule,
    rule_sets: list[str],
    words: str,
    rationale: str = "",
    *,
    crashes: bool = False,
    messages: Collection[str] = (),
    result: int | None = None,
) -> RuleEntry:
    """A rule with what its kind of rule has, or has in another form."""
    return RuleEntry(
        name=rule.name,
        rule_sets=rule_sets,
        severity=rule.severity,
        words=words,
        source=rule.source,
        rationale=rationale,
        crashes=crashes,
        messages=list(messages),
        result=result,
    )


def nearest_rule(name: str, rule_sets: Collection[str] = ()) -> str | None:
    """The name of a rule of `rule_sets` that looks most like `name`; None if none does."""
    import difflib

    names = {known for entry in rule_list(rule_sets).rules for known in entry.names()}
    matches = difflib.get_close_matches(name, sorted(names), 1)
    return matches[0] if matches else None


def list_text(listed: RuleList) -> Iterator[Line]:
    """Every rule with its sentence, by who checks it."""
    group = ""
    for entry in listed.rules:
        is_of_loaders = not entry.is_of_reference and SPECIFICATION not in entry.rule_sets
        title = "loaders" if is_of_loaders else "specification"
        title = "reference (igvm crate)" if entry.is_of_reference else title
        if title != group:
            if group:
                yield line()
            yield line((title, "title"))
            group = title
        yield line("  ", severity_piece(entry.severity), " ", (entry.name, "name"))
        loaders = f" ({', '.join(entry.rule_sets)})" if is_of_loaders else ""
        yield from paragraph(entry.words + loaders, first=line("    "), indent=4)


def rule_text(listed: RuleList) -> Iterator[Line]:
    """All there is to say about the rules of one name."""
    for entry in listed.rules:
        yield line((entry.name, "title"), "  ", severity_piece(entry.severity))
        for sentence in (
            f"{entry.words}.",
            f"Checked by: {', '.join(entry.rule_sets)}",
            f"Source: {entry.source}",
        ):
            yield from paragraph(sentence, first=line("  "), indent=_INDENT)
        for message in entry.messages:
            shown = f"Printed: {message}"
            yield from paragraph(shown, first=line("  "), indent=_INDENT + 2, style="quiet")
        if entry.result is not None:
            shown = f"QEMU prints: Unable to parse IGVM file {{file}}: {entry.result}"
            yield from paragraph(shown, first=line("  "), indent=_INDENT + 2, style="quiet")
        if entry.crashes:
            yield line("  ", ("The reference crashes on such a file.", "bad"))
        for block in entry.rationale.split("\n\n"):
            if block:
                yield line()
                yield from paragraph(" ".join(block.split()), first=line("  "), indent=_INDENT)
