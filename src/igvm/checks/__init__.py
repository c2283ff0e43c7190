"""Rules over a file: what the specification wants, and what each release of the reference takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import ValidationError

if TYPE_CHECKING:
    from igvm.checks.finding import Finding
    from igvm.file.view import IgvmFile

RULE_SETS = ("spec", "igvm-0.4", "igvm-0.5")


def check(file: IgvmFile, rules: str = "spec", *, most: int = 100) -> list[Finding]:
    """Every place where `file` breaks `rules`, in the order of the rules.

    Args:
        file: an open file.
        rules: `spec` for everything the specification says; `igvm-0.4` or `igvm-0.5` for one
            question: does that release of the reference crate, and with it every loader that
            links it, accept the file? Then there is at most one error, the one that the
            release stops at.
        most: list at most so many places a rule, and 10,000 of all rules but one of each; the
            last one of a rule counts the others in `more`.

    Raises:
        ValidationError: there is no such rule set, or `file` is no open file.
    """
    from igvm.file.argument_kinds import require_file

    require_file(file)
    if rules == "spec":
        from igvm.checks.inspection.inspected_file import InspectedFile
        from igvm.checks.rule import SPEC_RULES
        from igvm.checks.running import run_all
        from igvm.checks.specification import load

        load()
        inspected = InspectedFile(file)
        return run_all(SPEC_RULES.values(), inspected, most)
    if rules in RULE_SETS:
        from igvm.checks.reference import verdict

        return verdict(file, rules.removeprefix("igvm-"))
    message = f"there are no rules {rules!r}; there are {', '.join(RULE_SETS)}"
    raise ValidationError(message)
