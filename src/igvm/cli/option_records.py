"""What an option and an argument are: records from which parsers, help and completion are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from igvm.cli.values import Value

GENERAL = "Options"
"""The group of options that are about the verb as a whole."""
SELECTION = "Which headers"
"""The group of options that choose headers."""
LAUNCH = "Which launch"
"""The group of options that say who loads the file, and on what."""


class Option(NamedTuple):
    """One option, wherever it may be said: on a command line or, by its name, in a file."""

    name: str
    """The parameter of the verb."""
    flags: tuple[str, ...]
    """How the command line calls it."""
    help: str
    """What it does; `{names}` stands for all that its value may be."""
    value: Value | None = None
    """How its value is read; None for one that is on or off."""
    metavar: str = ""
    """What stands for the value in help and hints."""
    multiple: bool = False
    """Whether it may be given several times."""
    default: Any = None
    """What is taken where it is not given, as it would be typed."""
    required: bool = False
    bare: str | None = None
    """What it means without a value, where it may stand without one."""
    group: str = GENERAL
    """Its heading in a help text."""
    in_file: bool = False
    """Whether a file of settings may say it: `igvm.toml`, or `[tool.igvm]` of pyproject.toml."""

    @property
    def key(self) -> str:
        """How a file of settings calls it."""
        return self.flags[-1].removeprefix("--")

    @property
    def usage(self) -> str:
        """How it is said on a command line, in its shortest form."""
        return f"{self.flags[-1]} {self.metavar.partition('[')[0]}".rstrip()


class Argument(NamedTuple):
    """What a verb takes without a flag before it."""

    name: str
    """The parameter of the verb."""
    metavar: str
    value: Value
    multiple: bool = False
    """Whether it takes all that is left, at least one."""
    required: bool = True
