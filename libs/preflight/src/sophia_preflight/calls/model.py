"""A call: its target, and all that decides whether the target is there when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from sophia_preflight.model import Place
from sophia_preflight.text import CWD, UNKNOWN, Word


class System(StrEnum):
    """Whose file system paths are in."""

    REPOSITORY = "repository"
    IMAGE = "image"
    REMOTE = "remote"
    UNKNOWN = "unknown"


class Caller(StrEnum):
    """What kind of file makes the call."""

    SHELL = "shell script"
    PYTHON = "Python"
    MAKE = "make target"
    NPM = "package script"
    WORKFLOW = "workflow"
    PIPELINE = "pipeline"
    TOX = "tox environment"
    TASK = "task of a Python project"
    PROJECT = "Python project"
    SUPERVISOR = "supervisor program"
    BUILD = "image build"
    START = "image start"
    COMPOSE = "compose service"
    SYSTEMD = "systemd unit"
    PROCFILE = "Procfile"
    CRON = "crontab"
    AGENT = "agent's tool server"
    PLATFORM = "sophia.yaml"
    DOCUMENT = "documented command"
    KUBERNETES = "Kubernetes workload"


# --- targets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Script:
    """A file that is run, by an interpreter or by itself (`interpreter` is empty then)."""

    path: Word
    interpreter: str
    arguments: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """`python -m name`."""

    name: Word
    arguments: tuple[Word, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attribute:
    """`module:attribute` of a server (uvicorn, gunicorn, celery, …); `search` are directories it adds to the path."""

    name: Word
    server: str
    search: tuple[str, ...] = ()
    factory: bool = False


@dataclass(frozen=True, slots=True)
class PackageScript:
    """A script of the package.json in the call's directory."""

    name: Word
    manager: str
    arguments: tuple[Word, ...] = ()
    optional: bool = False
    workspace: str = ""
    """The package that is meant, by name or path, where it is not that of the directory."""


@dataclass(frozen=True, slots=True)
class ProjectTask:
    """A task of the Python project around the call's directory; of hatch, with its environment."""

    name: Word
    runner: str
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe of just, a task of task or mise, a session of nox: of the nearest file above, or of `file`."""

    name: Word
    runner: str
    file: Word | None = None


@dataclass(frozen=True, slots=True)
class MakeTarget:
    """Targets of a Makefile: the one in the call's directory, or `file`."""

    names: tuple[Word, ...]
    file: Word | None = None
    configured: bool = False
    """The makefile was made right before: `./configure`, `perl Makefile.PL`."""


@dataclass(frozen=True, slots=True)
class Needed:
    """A file or directory that a command reads; `purpose` says what for, in the reader's words."""

    path: Word
    purpose: str
    directory: bool = False
    either: tuple[str, ...] = ()
    """Other names that would do as well."""
    written: bool = False
    """People write it; no command makes it, though one may make something of its name."""
    mentioned: bool = False
    """Only its look says that it is read: it is missing where others of its kind are."""


@dataclass(frozen=True, slots=True)
class ImageBuild:
    """`docker build` and what is like it."""

    context: Word
    dockerfile: Word | None = None
    stage: Word | None = None
    arguments: tuple[Word, ...] = ()
    tags: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """`docker run`: an image, and what it is told."""

    image: Word
    arguments: tuple[Word, ...] = ()
    entrypoint: Word | None = None
    published: tuple[Word, ...] = ()
    variables: tuple[Word, ...] = ()
    mounts: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Composition:
    """Compose or stack files as one call uses them together."""

    files: tuple[Word, ...]
    stack: bool = False
    verb: str = ""
    services: tuple[Word, ...] = ()
    base: str | None = None
    """`--project-directory`."""
    env_files: tuple[Word, ...] = ()
    partial: bool = False
    """Only some services are meant, known or not."""
    profiles: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """Some program by name, with its arguments."""

    name: Word
    arguments: tuple[Word, ...] = ()


Target: TypeAlias = (
    Script
    | Module
    | Attribute
    | PackageScript
    | ProjectTask
    | Recipe
    | MakeTarget
    | Needed
    | ImageBuild
    | Started
    | Composition
    | Program
)


# --- circumstances --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Guard:
    """What keeps a failing call from doing harm."""

    tolerated: bool = False
    """Its failure is caught: `|| true`, `continue-on-error`, `-` in make."""
    tested: tuple[str, ...] = ()
    """Paths (values) whose existence was tested before; the call is only made if they are there."""

    def tolerant(self) -> Guard:
        return Guard(True, self.tested)

    def testing(self, *paths: str) -> Guard:
        return Guard(self.tolerated, (*self.tested, *paths))


@dataclass(frozen=True, slots=True)
class Inside:
    """The container that `docker compose run` or `exec` runs a command in: its files, their directory, its service."""

    composition: Composition
    directory: str
    service: str


@dataclass(frozen=True, slots=True)
class Site:
    """Where a command is run, and on whose behalf."""

    path: str
    caller: Caller
    directory: str = CWD
    system: System = System.REPOSITORY
    image: str = ""
    """For `System.IMAGE`: the Dockerfile and stage (`path#stage`), or the service (`path:service`)."""
    owner: str = ""
    """The job, target, script or function that makes the call."""
    guard: Guard = field(default_factory=Guard)
    script: str = UNKNOWN
    """What `$0` is."""
    search: tuple[str, ...] = ()
    """Directories of PYTHONPATH, as values."""
    inside: Inside | None = None
    """For a command that Compose runs in a container."""
    elsewhere: tuple[str, ...] = ()
    """For a documented command: other directories that its reader may be in."""
    opaque: bool = False
    """Files may be there that nobody can name: downloaded artifacts, unpacked archives."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command that is run: what it needs, and where."""

    target: Target
    site: Site
    place: Place
    text: str

    @property
    def assumed(self) -> bool:
        """Whether the target follows from a default that a caller may replace."""
        match self.target:
            case Script(path=word) | Module(name=word) | Attribute(name=word) | Needed(path=word):
                return word.assumed
            case _:
                return False


@dataclass(frozen=True, slots=True)
class Produced:
    """A file, or with `tree` a directory of unknown contents, that a command makes."""

    path: str
    tree: bool = False
    empty: bool = False
    """A directory that is only made, for whatever is then put into it; without `tree`, on the way to such a one."""
    copied: bool = False
    """A copy of a file of the same name, which is there if that file is; what has its name says nothing of others."""


@dataclass
class Trace:
    """What was seen while following a file: its calls in order, and what it makes."""

    calls: list[Call] = field(default_factory=list)
    produced: list[Produced] = field(default_factory=list)
