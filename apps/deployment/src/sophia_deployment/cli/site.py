"""Where a call takes place: the directory of sophia.yaml, the state directory beside it, the engine behind its socket.

Everything is looked up when it is first needed. Going back and looking must work while sophia.yaml is broken or being
edited, so the names of environments are read from it without judging the rest.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sophia_deployment_core.errors import NOT_FOUND, SophiaError

from sophia_deployment.output.console import Console

if TYPE_CHECKING:
    from sophia_deployment_core.platform import Platform
    from sophia_infrastructure.places import Places

    from sophia_deployment.client import Engine

FILE = "sophia.yaml"
STATE = ".sophia"


@dataclass
class Site:
    """The global options of a call, and what follows from them."""

    start: Path | None = None
    form: str = "text"
    events: bool = False
    colorless: bool = False
    quiet: bool = False

    @property
    def console(self) -> Console:
        as_json = self.form == "json"
        return Console(as_json=as_json, quiet=self.quiet, color_wanted=not self.colorless)

    @cached_property
    def root(self) -> Path:
        """The nearest directory upward that holds a sophia.yaml, or a state directory whose sophia.yaml is gone."""
        start = (self.start or Path.cwd()).absolute()
        for directory in (start, *start.parents):
            if os.path.isfile(directory / FILE) or os.path.isfile(directory / STATE / "format"):
                return directory  # what may not be entered holds nothing for us, and is no error yet
        from sophia_deployment_core import loading

        return loading.find(start).parent

    @property
    def file(self) -> Path:
        return self.root / FILE

    @cached_property
    def places(self) -> Places:
        from sophia_infrastructure.places import Places

        return Places.of(self.root / STATE)

    @cached_property
    def engine(self) -> Engine:
        from sophia_deployment.client import Engine

        return Engine(self.places.engine_socket, is_kept=self._keeps_engine)

    def _keeps_engine(self) -> bool:
        from sophia_deployment import starting

        return starting.is_kept(self.places)

    def platform(self) -> Platform:
        """What sophia.yaml describes, checked together with the repository; takes a fifth of a second to import."""
        from sophia_deployment_core import loading

        return loading.load_checked(self.file)

    # --- environments ------------------------------------------------------------------------------------------------

    def declared(self) -> list[str]:
        """The environments that sophia.yaml names, in its order; none where it cannot be read."""
        from sophia_deployment_core import yaml12

        try:
            data = yaml12.parse(yaml12.decode(self.file.read_bytes())).data
        except (OSError, yaml12.Unreadable, SophiaError):
            return []
        found = data.get("environments") if isinstance(data, dict) else None
        return [str(name) for name in found] if isinstance(found, dict) else []

    def environment(self, name: str | None) -> str:
        """The environment that is meant: the one named, else the first declared."""
        if name is not None:
            return name
        declared = self.declared()
        if not declared:
            from sophia_deployment_core.loading import NO_CONFIGURATION

            lacks = "names no environment that can be read" if self.file.exists() else "does not exist"
            hint = "name the environment that you mean; `sophia plan` shows what is wrong with the file"
            raise SophiaError(NO_CONFIGURATION, f"`{self.file}` {lacks}", hint=hint)
        return declared[0]

    def declared_environment(self, name: str | None) -> str:
        """The same, where only a declared environment makes sense."""
        wanted, declared = self.environment(name), self.declared()
        if declared and wanted not in declared:
            from sophia_deployment.output.text import near

            hint = near(wanted, declared) or f"there are {', '.join(f'`{each}`' for each in declared)}"
            raise SophiaError(NOT_FOUND, f"there is no environment `{wanted}`", hint=hint)
        return wanted

    def is_terminal(self) -> bool:
        """Whether somebody is there to be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()
