"""The command `igvm`: finds its verbs, and turns what goes wrong into a line and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from igvm._version import __version__
from igvm.errors import IgvmError

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = ("info", "dump", "check", "measure", "rules", "rewrite", "schema", "completion")
"""Each is a module here with a command of the same name, in the order of the help."""

USAGE = 2
UNREADABLE = 3
INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it."""
BROKEN_PIPE = 141
"""128 + SIGPIPE, as a shell reports it."""


class App(click.Group):
    """A group whose verbs are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"igvm.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; click would turn these two into an exit code and a line of its own."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _leave_pipe()
            raise click.exceptions.Exit(BROKEN_PIPE) from None
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        return result

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's signature
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002 - click's signature
        **extra: Any,
    ) -> Any:
        """Run, and exit with the code of what happened."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            code = USAGE
        except click.UsageError as error:
            name = error.ctx.command_path if error.ctx else "igvm"
            verb = name.removeprefix("igvm").strip()
            said = ": ".join(part for part in (verb, _one_line(error)) if part)
            complain(said, f"see {name} --help")
            code = USAGE
        except IgvmError as error:
            complain(str(error), advice(error.hint, error.missing))
            code = USAGE if error.missing else error.exit_code
        except click.Abort:
            code = INTERRUPTED
        except OSError as error:
            complain(os_message(error))
            _leave_pipe()
            code = UNREADABLE
        sys.exit(code if isinstance(code, int) else 0)


def complain(message: str, hint: str | None = None) -> None:
    """Say on standard error what went wrong, in one line, and in another what to do."""
    from igvm.report.layout import printable

    with contextlib.suppress(OSError):  # a full disk is what may be complained about
        sys.stdout.flush()
    click.echo(f"igvm: {printable(message)}", err=True)
    if hint:
        click.echo(f"hint: {printable(hint)}", err=True)


def advice(hint: str | None, missing: str | None) -> str | None:
    """What to do about an error: its hint, with the option for what must be given."""
    if missing is None:
        return hint
    option = f"--{missing.replace('_', '-')}"
    return f"{hint} ({option})" if hint else f"say it with {option}"


def os_message(error: OSError) -> str:
    """What the system says about a file, in one line."""
    name = error.filename
    text = os.fsdecode(name) if isinstance(name, (str, bytes)) else ""
    return ": ".join(part for part in (text, error.strerror or str(error)) if part)


def _one_line(error: click.UsageError) -> str:
    """A usage error without line ends and without its full stop."""
    return " ".join(error.format_message().split()).removesuffix(".")


def _leave_pipe() -> None:
    """Keep the interpreter from writing once more to an output that takes nothing."""
    with contextlib.suppress(OSError):  # standard output that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.command(
    cls=App,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "FILE - is standard input. Exit codes: 0 fine, 1 findings, 2 usage, 3 a file cannot be "
        "read or written, 4 a tool is missing."
    ),
)
@click.version_option(__version__, message="igvm %(version)s")
def app() -> None:
    """Read, check, measure, show and rewrite Independent Guest Virtual Machine (IGVM) files."""
