"""The command `igvm`: finds its verbs, and turns what goes wrong into a line and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from igvm._version import __version__
from igvm.cli.messages import (
    BROKEN_PIPE,
    INTERRUPTED,
    UNREADABLE,
    USAGE,
    complain,
    complain_of,
    os_message,
)
from igvm.cli.verb import HelpContext
from igvm.errors import IgvmError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = (
    "info",
    "dump",
    "check",
    "rules",
    "rewrite",
    "measure",
    "explain",
    "find",
    "diff",
    "schema",
    "completion",
)
"""Each is a module here with a command of the same name, in the order of the help."""


class App(click.Group):
    """A group whose verbs are imported when they are needed."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"igvm.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that is asked for."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"there is no verb {args[0]!r}; {nearest(args[0], VERBS)}", ctx)
        return super().resolve_command(ctx, args)

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
            message = ": ".join(part for part in (verb, _one_line(error)) if part)
            complain(message, f"see {name} --help")
            code = USAGE
        except IgvmError as error:
            code = complain_of(error)
        except click.Abort:
            code = INTERRUPTED
        except OSError as error:
            complain(os_message(error))
            _leave_pipe()
            code = UNREADABLE
        sys.exit(code if isinstance(code, int) else 0)


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
