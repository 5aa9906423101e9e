"""The `sophia` command line."""

from __future__ import annotations

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sophia-deployment", prog_name="sophia")
def main() -> None:
    """Sophia takes a commit to verified production and puts traffic back when the new version is bad."""
