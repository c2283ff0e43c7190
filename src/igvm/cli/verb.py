"""Commands made from the records of their options: parsing, help and completion."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

import click

from igvm.cli.option_records import GENERAL, Option
from igvm.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from click.shell_completion import CompletionItem

    from igvm.cli.option_records import Argument
    from igvm.cli.settings import Settings
    from igvm.cli.values import Value

    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic since click 8.4 only


def verb(
    name: str, *parameters: Option | Argument, summary: str | None = None
) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a function the command `igvm NAME`, with these options and arguments.

    The function gets each as a keyword, several values as a tuple; it returns the exit code, None
    for 0. Its docstring is the help text, of which `summary` stands in place of the first line
    where all verbs are listed.
    """
    params = [
        _ClickOption(parameter) if isinstance(parameter, Option) else _argument(parameter)
        for parameter in parameters
    ]
    return click.command(name, cls=Verb, params=params, short_help=summary)


def is_given(name: str) -> bool:
    """Whether the parameter called `name` is on the command line of the verb that runs."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def settings_used() -> str | None:
    """The file that says options of the verb that runs; None where nothing was taken from one."""
    context = click.get_current_context()
    is_used = any(
        context.get_parameter_source(param.name) is click.core.ParameterSource.DEFAULT_MAP
        for param in context.command.params
    )
    settings = context.meta.get(_SETTINGS)
    return settings.source if is_used and settings is not None else None


_SETTINGS = "igvm.settings"
"""What a context calls the settings that were read for it."""
_WORTH_A_HEADING = 3
"""Options of a group that has a heading of its own in a help text."""
_HYPHEN, _BLANK = "\u2011", "\xa0"
"""Those at which no line is broken; they are never shown."""
_TOGETHER = r"`[^`]*`|\[[^]]*\]|[0-9]+ [KMG]iB"
"""What stays on one line: commands, defaults, sizes."""


class _HelpFormatter(click.HelpFormatter):
    """Breaks lines between words only, so that what is shown can be copied."""

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(_unbroken(text))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write terms with their explanations."""
        super().write_dl([(term, _unbroken(text)) for term, text in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        """What was written."""
        return super().getvalue().replace(_HYPHEN, "-").replace(_BLANK, " ")


def _unbroken(text: str) -> str:
    """`text` as it is given to click, which breaks lines at blanks and hyphens."""
    together = re.sub(_TOGETHER, lambda match: match[0].replace(" ", _BLANK), text)
    return together.replace("-", _HYPHEN)


class HelpContext(click.Context):
    """The context of a command whose help is written by this formatter."""

    formatter_class = _HelpFormatter


class Verb(click.Command):
    """A command whose options are under headings, and some of which may stand without a value."""

    context_class = HelpContext

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments."""
        for param in self.params:
            if isinstance(param, _ClickOption) and param.record.bare is not None:
                args = _with_bare_value(args, param.record)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(_no_option(ctx, error.option_name), ctx) from None

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """What stands after the verb in its usage."""
        first, *others = super().collect_usage_pieces(ctx)
        records = [param.record for param in self.params if isinstance(param, _ClickOption)]
        needed = [f"{record.flags[0]} {record.metavar}" for record in records if record.required]
        return [first, *needed, *others]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options below the headings of their groups, the general ones last."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        groups = [
            param.record.group if isinstance(param, _ClickOption) else GENERAL for param in options
        ]
        rows: dict[str, list[tuple[str, str]]] = {}
        for param, group in zip(options, groups, strict=True):
            row = param.get_help_record(ctx)
            if row is not None:
                title = group if groups.count(group) >= _WORTH_A_HEADING else GENERAL
                rows.setdefault(title, []).append(row)
        rows[GENERAL] = rows.pop(GENERAL)
        width = max(len(usage) for group_rows in rows.values() for usage, _ in group_rows)
        for title, group_rows in rows.items():
            with formatter.section(title):
                formatter.write_dl([(usage.ljust(width), text) for usage, text in group_rows])


class _ClickValue(_ParamType):
    """How click reads and completes a value."""

    def __init__(self, value: Value, name: str) -> None:
        self.value, self.name = value, name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of a text."""
        if not isinstance(value, str):  # converted already
            return value
        try:
            return self.value.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """What the text may become."""
        from click.shell_completion import CompletionItem

        if self.value.is_path:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(text) for text in self.value.complete(incomplete)]


class _ClickOption(click.Option):
    """A record as click's option.

    Attributes:
        record: what it was made from.
    """

    def __init__(self, record: Option) -> None:
        self.record = record
        value: dict[str, Any] = {"is_flag": True}
        if record.value is not None:
            value = {"type": _ClickValue(record.value, record.name)}
        if record.default is not None:
            value["default"] = (record.default,) if record.multiple else record.default
        super().__init__(
            [*record.flags, record.name],
            help=record.help,
            metavar=record.metavar or None,
            multiple=record.multiple,
            required=record.required,
            **value,
        )

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, click.Parameter]
    ) -> tuple[Any, click.core.ParameterSource]:
        """What is said on the command line; or else in a file of settings."""
        value, source = super().consume_value(ctx, opts)
        is_left_out = source is click.core.ParameterSource.DEFAULT
        if self.record.in_file and is_left_out and not ctx.resilient_parsing:
            settings = _settings(ctx)
            if settings is not None and self.record.name in settings.values:
                return settings.values[self.record.name], click.core.ParameterSource.DEFAULT_MAP
        return value, source

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """The value; of an option that is given several times, each only once."""
        value = super().process_value(ctx, value)
        if self.record.multiple and self.record.value is not None:
            if self.record.value.is_list:
                value = (member for members in value for member in members)
            return tuple(dict.fromkeys(value))
        return value

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The flags with what stands for a value, and what they do."""
        record = self.record
        text = record.help
        if record.value is not None:
            text = text.replace("{names}", record.value.listed())
        if record.multiple:
            text += " May be given several times."
        if record.default is not None and record.bare is None:
            text += f"  [default: {record.default}]"
        if record.required:
            text += "  [required]"
        gap = "" if record.bare is not None else " "
        usage = f"{', '.join(record.flags)}{gap}{record.metavar}".rstrip()
        return usage, text


def _settings(ctx: click.Context) -> Settings | None:
    """What a file says of the options of the verb of `ctx`; read once a run."""
    if _SETTINGS not in ctx.meta:
        from igvm.cli.settings import read_settings
        from igvm.errors import ValidationError

        records = [param.record for param in ctx.command.params if isinstance(param, _ClickOption)]
        try:
            ctx.meta[_SETTINGS] = read_settings(records)
        except ValidationError as error:
            raise click.UsageError(error.message, ctx) from None
    settings: Settings | None = ctx.meta[_SETTINGS]
    return settings


def _argument(record: Argument) -> click.Argument:
    """A record as click's argument."""
    return click.Argument(
        [record.name],
        type=_ClickValue(record.value, record.name),
        metavar=record.metavar,
        required=record.required,
        nargs=-1 if record.multiple else 1,
    )


def _with_bare_value(args: Sequence[str], option: Option) -> list[str]:
    """`args` with its value after each `option` that stands without one."""
    words = list(args)
    end = words.index("--") if "--" in words else len(words)
    for position in range(end):
        if words[position] not in option.flags:
            continue
        following = words[position + 1] if position + 1 < end else None
        if following is None or not _is_read(option.value, following):
            words[position] += f"={option.bare}"
    return words


def _is_read(value: Value | None, text: str) -> bool:
    """Whether `text` is a value."""
    try:
        return value is not None and value.read(text) is not None
    except ValueError:
        return False


def _no_option(ctx: click.Context, flag: str) -> str:
    """What to say of an option that the verb of `ctx` does not have."""
    own = [flag for param in ctx.command.get_params(ctx) for flag in param.opts if "--" in flag]
    return f"there is no option {flag}; {_instead(ctx, flag) or nearest(flag, own)}"


def _instead(ctx: click.Context, flag: str) -> str | None:
    """The verb that does what was meant by `flag`, if one has its name or such an option."""
    group = ctx.parent.command if ctx.parent is not None else None
    if not isinstance(group, click.Group):
        return None
    verbs = group.list_commands(ctx)
    if flag.lstrip("-") in verbs:
        return f"there is a verb: igvm {flag.lstrip('-')}"
    owners = [
        f"igvm {name}"
        for name in verbs
        for param in importlib.import_module(f"igvm.cli.{name}").command.params
        if flag in param.opts
    ]
    return f"it is one of {', '.join(owners)}" if owners else None
