"""`completion`: for bash, zsh and fish."""

from __future__ import annotations

import click

from sophia_deployment.cli.site import Site
from sophia_deployment.cli.verb import HERE, Verb


@click.command(
    answer="the script itself",
    cls=Verb,
    example="""
    sophia completion bash > ~/.local/share/bash-completion/completions/sophia
    sophia completion zsh > ~/.zfunc/_sophia
    sophia completion fish > ~/.config/fish/completions/sophia.fish""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@HERE
def completion(site: Site, shell: str) -> int:
    """Print what SHELL needs to complete verbs, options and environments."""
    from click.shell_completion import get_completion_class

    from sophia_deployment.cli import sophia

    found = get_completion_class(shell)
    assert found is not None, "click knows the three shells"
    site.console.data(found(sophia, {}, "sophia", "_SOPHIA_COMPLETE").source().rstrip())
    return 0
