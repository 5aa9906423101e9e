"""What a Dockerfile tells: the last stage's command, port and files, and the pages that a web server would serve."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sophia_deployment.initialise import commands

_SERVERS = re.compile(r"(^|/)(nginx|httpd|caddy|static-web-server|lighttpd)\b")
_PAGES = re.compile(r"/usr/share/nginx/html|/var/www|/usr/local/apache2/htdocs|/srv|/public")


@dataclass
class Image:
    """The last stage. `copies` are (from another stage?, sources, destination); `run` is entry point and command."""

    base: str = ""
    workdir: str = "/"
    run: list[str] = field(default_factory=list)
    exposes: list[str] = field(default_factory=list)
    health: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    copies: list[tuple[bool, list[str], str]] = field(default_factory=list)

    @property
    def serves_pages(self) -> bool:
        return bool(_SERVERS.search(self.base.split(":")[0]))

    @property
    def pages(self) -> tuple[bool, str] | None:
        """The directory of pages that a web server's image copies, and whether another stage built it."""
        for built, sources, destination in self.copies:
            if sources and _PAGES.match(destination):
                return built, sources[0]
        return None


def read(text: str) -> Image:
    """The last stage of a Dockerfile's text. What is not understood is passed over."""
    image, entry, command = Image(), list[str](), list[str]()
    for word, rest in _instructions(text):
        if word == "FROM":
            image, entry, command = Image(base=_base(rest)), [], []
        elif word == "ENTRYPOINT":
            entry = commands.from_json(rest)
        elif word == "CMD":
            command = commands.from_json(rest)
        else:
            _note(image, word, rest)
    words = entry + command
    image.run = words if words[:1] != [""] and not any("\0" in each for each in words) else []
    return image


def _note(image: Image, word: str, rest: str) -> None:
    if word == "WORKDIR":
        image.workdir = rest.strip()
    elif word == "EXPOSE":
        image.exposes += [port.split("/")[0] for port in rest.split()]
    elif word == "HEALTHCHECK":
        image.health = rest
    elif word in ("COPY", "ADD"):
        words = rest.split()
        built = any(each.startswith("--from=") for each in words)
        paths = [each for each in words if not each.startswith("--")]
        if len(paths) > 1 and not rest.lstrip().startswith("["):
            image.copies.append((built, paths[:-1], paths[-1]))


def _base(rest: str) -> str:
    return next((each for each in rest.split() if not each.startswith("--")), "")


def _instructions(text: str) -> list[tuple[str, str]]:
    """(word, rest) of each instruction; continued lines are joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\s*\n", " ", "\n".join(lines))
    parts = [line.strip().split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(part[0].upper(), part[1] if len(part) > 1 else "") for part in parts]
