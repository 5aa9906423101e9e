"""The kinds of failure of this room, SPH-5000 to SPH-5999, a block per module."""

from __future__ import annotations

from sophia_deployment_core.errors import declare

# --- SPH-500x: the command line and its way to the engine -----------------------------------------------------------

USAGE = declare(
    "SPH-5000",
    "the command line was not understood",
    "A verb, an option or a value does not exist or does not fit. Nothing was done. `sophia --help` lists the verbs, "
    "`sophia VERB --help` what one of them takes, with an example.",
    exit=2,
)
ENGINE_UNREACHABLE = declare(
    "SPH-5001",
    "no engine answers",
    "Verbs that change something are carried out by the engine, a process that owns the state directory, and none "
    "answers on its socket. What serves goes on serving: traffic does not depend on the engine. `sophia up` starts it, "
    "`sophia doctor` says what is in its way.",
    exit=3,
)
ENGINE_SILENT = declare(
    "SPH-5002",
    "the engine did not answer in time",
    "The engine accepted the connection and did not answer within the time named in the message. It may be stopped "
    "(SIGSTOP), or the machine may be very busy. What was asked for may still happen: a submission sent twice is one "
    "run. `sophia doctor` looks at the engine's process.",
    exit=3,
)
ENGINE_LOST = declare(
    "SPH-5003",
    "the engine went away in the middle",
    "The engine ended while it was asked for something, or while a run was followed, and did not come back for as long "
    "as we wait. A run that reached it is in the ledger: the next engine goes on with it from where it stood. "
    "`sophia up` starts one, `sophia queue` shows the run.",
    exit=3,
)
ENGINE_DIED = declare(
    "SPH-5004",
    "the engine did not start",
    "The engine's process ended before it answered, or did not answer in time. The last lines of its log are shown; "
    "`.sophia/logs/engine.log` has all of them.",
    exit=3,
)
FOREIGN_ENGINE = declare(
    "SPH-5005",
    "the engine belongs to somebody else",
    "An engine obeys the user who started it and nobody else. The operating system tells it who is at the other end "
    "of its socket. Call `sophia` as that user.",
    exit=3,
)
BAD_REQUEST = declare(
    "SPH-5006",
    "the engine did not understand the request",
    "A request does not have the shape that the engine's OpenAPI description gives it. From `sophia` itself this means "
    "that the command line and the engine are of different builds: `sophia up` replaces the engine.",
    exit=2,
)
NOT_CONFIRMED = declare(
    "SPH-5007",
    "something that cannot be undone was not confirmed",
    "Deleting data asks for the name of what is deleted. Without a terminal to ask on, `--yes` says it.",
    exit=2,
)
LEDGER_BROKEN = declare(
    "SPH-5008",
    "the ledger is not what was written",
    "Every entry carries a hash of itself and of the entry before it. The first entry at which that does not hold is "
    "named: it, or one before it, was changed, removed or damaged after it was written. Keep the file and compare it "
    "with an export or a backup.",
)

# --- SPH-51xx: building ---------------------------------------------------------------------------------------------

BUILD_FAILED = declare(
    "SPH-5101",
    "a service could not be built",
    "A build command ended with an error; its last lines are in the message, the rest in the log that the hint names. "
    "Nothing was stored and nothing changed. Builds run with your environment: what works in your shell, in the "
    "service's `source`, works here.",
)
BUNDLE_INCOMPLETE = declare(
    "SPH-5102",
    "a service's bundle cannot be put together",
    "`bundle.include` names the files of a bundle, relative to `source`, or to `sophia.yaml` with `//` in front. Every "
    "pattern must match something after the build: one that matches nothing is usually misspelt, or the build writes "
    "elsewhere.",
)
NO_NODE = declare(
    "SPH-5103",
    "the build needs Node",
    "The repository has a `turbo.json`, so that Turborepo builds it, and Turborepo needs Node 20 or newer with npm on "
    "your PATH.",
)

# --- SPH-520x: what the engine is asked for -------------------------------------------------------------------------

CONFLICT = declare(
    "SPH-5200",
    "the run is not in a state for that",
    "A run that has ended cannot be cancelled, and only one that needs somebody can be resumed. `sophia queue` shows "
    "the state of every run.",
    exit=2,
)
NOTHING_WAS_LIVE = declare(
    "SPH-5201",
    "nothing was ever live in this environment",
    "Going back, starting, stopping and restarting need a release that was live before. `sophia deploy ENVIRONMENT` "
    "makes the first one.",
    exit=2,
)
NOTHING_TO_GO_BACK_TO = declare(
    "SPH-5202",
    "there is no such version to go back to",
    "`sophia rollback` goes to the newest version that was live before and was not itself taken back, or to the one "
    "that `--to` names: a revision, the beginning of a release's hash, or the run (`#17`) that made it live. "
    "`sophia status -o json` lists them under `history`.",
    exit=2,
)
UNREADABLE_RELEASE = declare(
    "SPH-5203",
    "the release cannot be read",
    "The engine got a release that its own version does not understand. The command line and the engine are of "
    "different builds; `sophia up` replaces the engine.",
    exit=2,
)

# --- SPH-521x: the demonstration ------------------------------------------------------------------------------------

NO_DEMO = declare(
    "SPH-5210",
    "there is nothing to demonstrate with",
    "`sophia demo` deploys versions of a service that are visibly new, and broken, by two variables that the service "
    "has to declare and obey: `DEMO_LABEL` and `DEMO_FAULT`. And something must be live to begin with.",
    exit=2,
)

# --- SPH-522x: the gate in front of a deployment --------------------------------------------------------------------

CHECK_BLOCKS = declare(
    "SPH-5220",
    "the check found something that would break the deployment",
    "`sophia deploy` checks the repository first and refuses while a finding that is critical or high, and no guess, "
    "touches sophia.yaml or a service's sources (Dockerfiles and compose files there are told, not counted: nothing is "
    "deployed from them so far). `sophia check` shows each finding with its reason. Mend it; or accept "
    "it for a time in a baseline (docs/guides); or go past the gate with `--unchecked REASON`, which is recorded.",
)
CHECK_INCOMPLETE = declare(
    "SPH-5221",
    "the check in front of the deployment could not be completed",
    "A check that is missing or broken never counts as clean. The message says what was not looked at. `sophia check` "
    "says more; `--unchecked REASON` goes past the gate, and the reason is recorded.",
    exit=7,
)
