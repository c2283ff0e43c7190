"""Writes man/igvm.1 from the commands themselves: `python docs/generate_man.py [--check]`."""  # noqa: INP001 - a script

from __future__ import annotations

import sys
from pathlib import Path

import click

from igvm.cli.app import VERBS, App, app

PAGE = Path(__file__).resolve().parent.parent / "man" / "igvm.1"

_EXIT = (
    ("0", "The work is done, and nothing was found."),
    ("1", "A file breaks the rules, launches differ, or a digest is not the one, or not found."),
    ("2", "The command line is wrong."),
    ("3", "A file cannot be read or written."),
    ("4", "A program or an optional package is missing."),
)
_EXAMPLES = (
    ("igvm info guest.igvm", "A file on one screen."),
    ("igvm dump --platform SEV_SNP --address 0x8000000 guest.igvm", "What is loaded there."),
    ("igvm check --rules all *.igvm", "Is anything wrong, and do loaders take the files?"),
    ("igvm dump --json=short guest.igvm | jq .fixed_header", "Values for a script."),
    (
        "igvm measure --platform snp --loader qemu-kvm --vcpus 4 --cpu EPYC-Milan guest.igvm",
        "The digest that a guest of four processors will report.",
    ),
    ("igvm find DIGEST guest.igvm", "Which loader and which settings lead to a digest?"),
    ("igvm diff --platform snp old.igvm new.igvm", "Which page is the first to differ?"),
)


def escape(text: str) -> str:
    """`text` for roff: no line of it is a request, and minus signs can be copied."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "").split("\n")
    return "\n".join(f"\\&{one}" if one[:1] in {".", "'"} else one for one in lines)


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a docstring; those after a backspace keep their lines."""
    made: list[str] = []
    for one in (text or "").split("\n\n"):
        if one.strip().startswith("\b"):
            body = "\n".join(line.strip() for line in one.strip().lstrip("\b").strip().split("\n"))
            made += [".PP", ".nf", escape(body), ".fi"]
        else:
            made += [".PP", escape(" ".join(one.split()))]
    return made


def options(command: click.Command, context: click.Context) -> list[str]:
    """The options of a command."""
    made: list[str] = []
    for parameter in command.get_params(context):
        if not isinstance(parameter, click.Option):
            continue
        record = parameter.get_help_record(context)
        if record is not None:
            made += [".TP", f"\\fB{escape(record[0])}\\fR", escape(" ".join(record[1].split()))]
    return made


def page() -> str:
    """The whole page."""
    assert isinstance(app, App)
    root = app.make_context("igvm", [], resilient_parsing=True)
    made = [
        '.\\" Written by docs/generate_man.py.',
        '.TH IGVM 1 "" igvm "User Commands"',
        ".SH NAME",
        "igvm \\- read, check, measure, show and rewrite IGVM files",
        ".SH SYNOPSIS",
        "\\fBigvm\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIFILE\\fR...]",
        ".SH DESCRIPTION",
        escape(app.help or ""),
        ".PP",
        escape("FILE - is standard input."),
        ".SH OPTIONS",
        *options(app, root),
        ".SH COMMANDS",
    ]
    for verb in VERBS:
        command = app.get_command(root, verb)
        assert command is not None
        context = command.make_context(verb, [], parent=root, resilient_parsing=True)
        usage = " ".join(command.collect_usage_pieces(context))
        made += [f".SS igvm {verb} {escape(usage)}", *paragraphs(command.help or "")[1:]]
        made += options(command, context)
    made.append(".SH EXIT STATUS")
    for code, meaning in _EXIT:
        made += [".TP", f"\\fB{code}\\fR", escape(meaning)]
    made += [
        ".SH ENVIRONMENT",
        ".TP",
        "\\fBNO_COLOR\\fR",
        "If set and not empty, no colours are used. They are used on terminals only.",
        ".SH EXAMPLES",
    ]
    for example, meaning in _EXAMPLES:
        made += [".TP", f"\\fB{escape(example)}\\fR", escape(meaning)]
    return "\n".join(made) + "\n"


def main() -> int:
    """Write the page, or with --check say whether it is up to date."""
    if sys.argv[1:] == ["--check"]:
        return int(not PAGE.is_file() or PAGE.read_text() != page())
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
