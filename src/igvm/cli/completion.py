"""`igvm completion`: what makes a shell complete igvm's verbs and options."""

from __future__ import annotations

import click

from igvm.cli.options import SHELL
from igvm.cli.verb import verb


@verb("completion", SHELL, summary="Print the completion script for a shell.")
def command(*, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash:  eval "$(igvm completion bash)"      in ~/.bashrc
    zsh:   eval "$(igvm completion zsh)"       in ~/.zshrc
    fish:  igvm completion fish > ~/.config/fish/completions/igvm.fish
    """  # noqa: D301 - \b keeps click from filling the paragraph
    from click.shell_completion import ShellComplete, get_completion_class

    from igvm.cli.app import app

    kind = get_completion_class(shell)
    assert kind is not None
    # The base class's source(): bash's own runs bash to look at its version.
    click.echo(ShellComplete.source(kind(app, {}, "igvm", "_IGVM_COMPLETE")))
