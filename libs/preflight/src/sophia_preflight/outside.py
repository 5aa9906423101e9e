"""Variables that come from outside: what shells, images, runners and well-known actions set themselves."""

from __future__ import annotations

import re

_OF_SHELLS = (
    r"PATH|HOME|USER|PWD|SHELL|HOSTNAME|LANG|LC_\w+|UID|EUID|RANDOM|IFS|PPID|OSTYPE|TERM|TMPDIR|BASH\w*|OPTARG|REPLY|"
    r"SECONDS|LINENO|PIPESTATUS|FUNCNAME"
)
_OF_SCRIPTS = (
    r"_\w*|OLDPWD|OPTIND|COLUMNS|LINES|COMP_\w+|GITHUB_\w+|CI_\w+|RUNNER_\w+|COMPREPLY|DISPLAY|EDITOR|LOGNAME|MACHTYPE|"
    r"HOSTTYPE|HISTFILE|PS\d|EPOCH\w*|status|argv|\w{1,2}"
)
_OF_IMAGES = (
    r"\w+_VERSION|GOPATH|GOROOT|PG_MAJOR|\w+_HOME|LD_LIBRARY_PATH|DEBIAN_FRONTEND|ID|VERSION_ID|VERSION_CODENAME|NAME|"
    r"ARCH"
)
_OF_RUNNERS = (
    r"(?:GITHUB|RUNNER|ACTIONS|INPUT|STATE|AGENT|ANDROID|JAVA|CONDA|CHROME|EDGE|GECKO|SELENIUM|VCPKG|HOMEBREW|PIPX|SGX|"
    r"SWIFT|NVM|XDG|DOCKER_METADATA|GRAALVM|GOROOT|BOOTSTRAP|PS|GHCUP|LEIN|M2|AZURE|POWERSHELL|STATS)_\w+"
)
_SCRIPT = re.compile(f"{_OF_SHELLS}|{_OF_SCRIPTS}")
_IMAGE = re.compile(f"{_OF_SHELLS}|{_OF_IMAGES}")
_RUNNER = re.compile(_OF_RUNNERS)

READS_IN = re.compile(
    r"(?:^|[;&|(`!]|\b(?:then|do|else|if|RUN|run:)[ \t])[ \t]*(?:- )?"
    r"(?:set[ \t]+-a\b|(?:source|\.|eval)[ \t]+(?![^\s;&|]*/activate\b)[^\s;&|])",
    re.MULTILINE,
)
"""A command that gives a script names which stand elsewhere; an environment of Python gives none of ours."""


def is_of_script(name: str) -> bool:
    """Whether a script has a variable without setting it, or its name says little."""
    return _SCRIPT.fullmatch(name) is not None


def is_of_image(name: str) -> bool:
    """Whether shells or official images set a variable, or a file that is read in (`/etc/os-release`)."""
    return _IMAGE.fullmatch(name) is not None


def is_of_runner(name: str) -> bool:
    """Whether runners or well-known actions set a variable, or what is true of images."""
    return is_of_image(name) or _RUNNER.fullmatch(name) is not None
