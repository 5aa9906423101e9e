"""The kinds of failure of this room, SPH-2000 to SPH-2999, a block per module."""

from __future__ import annotations

from sophia_deployment_core.errors import declare

# --- SPH-20xx: the state directory and its ledger -------------------------------------------------------------------

ANOTHER_ENGINE = declare(
    "SPH-2001",
    "another engine owns this state directory",
    "One engine owns a state directory at a time, and the one named in the message is alive. Use it (every `sophia` "
    "command of this checkout does), or stop it first with `sophia down`.",
)
DISK_FULL = declare(
    "SPH-2002",
    "the disk that holds the state is full",
    "Nothing was written, and what serves goes on serving. Free some space on the file system named in the message; "
    "`sophia doctor` shows what the state directory uses.",
)
STATE_LOCKED = declare(
    "SPH-2003",
    "another program holds the database",
    "The ledger's database was locked for longer than we wait. Only the engine writes to it; look for a backup, an "
    "editor for databases or a stopped process that has the file open (`fuser -v FILE`).",
)
STATE_UNWRITABLE = declare(
    "SPH-2004",
    "the state directory cannot be written",
    "The state directory or a file in it belongs to somebody else, is read-only, or lies on a file system that is. "
    "Run as its owner, or name another directory.",
)
STATE_DAMAGED = declare(
    "SPH-2005",
    "the ledger's database is damaged",
    "The file is not what SQLite wrote: a failing disk, a copy made while the engine ran, or an edit by hand. What "
    "serves goes on serving. Keep the file, run `sophia audit verify` to see how far it can be read, and put back a "
    "copy.",
)
STATE_FAILED = declare(
    "SPH-2006",
    "the storage failed while the ledger was written",
    "The operating system reported an input or output error, so nobody knows whether the last entry is there. The "
    "engine stops and reads its ledger again when it starts. Look at the kernel's log for the disk.",
)
STATE_NEWER = declare(
    "SPH-2007",
    "the state was written by a newer version",
    "A newer version of Sophia has changed the format of this state directory. Use that version, or a newer one; an "
    "older one would not understand what it finds.",
)
ENGINE_STUCK = declare(
    "SPH-2008",
    "an engine that no longer answers could not be replaced",
    "The owner of the state has not renewed its lease but still holds its lock, and it could not be killed: it runs "
    "on another machine or in another container, as another user, or it waits for a device. End the process named in "
    "the message.",
)
NOT_A_LEDGER = declare(
    "SPH-2009",
    "there is no ledger here",
    "The file or directory named is neither a state directory of Sophia nor a file written by `sophia audit export`.",
    exit=2,
)

# --- SPH-23xx: bundles ----------------------------------------------------------------------------------------------

ARTIFACT_MISSING = declare(
    "SPH-2301",
    "a bundle is not kept here",
    "A release names its bundles by what they hold, and this one is not in the state directory: it was never built "
    "here, or it was removed when its release was no longer kept.",
)
ARTIFACT_TAMPERED = declare(
    "SPH-2302",
    "a stored bundle is not what its digest says",
    "Before a bundle is made ready or started, all of it is hashed again. The message names what differs: somebody "
    "changed the stored files, or the disk did. Nothing was started, and what serves goes on serving.",
)
ARTIFACT_REFUSED = declare(
    "SPH-2303",
    "something cannot be part of a bundle",
    "A bundle holds files and links that stay inside it, under names in UTF-8. Links that are absolute or lead out of "
    "it, devices, sockets and pipes are refused, so that a bundle means the same wherever it is put. Nothing was "
    "stored.",
)

# --- SPH-22xx: Envoy ------------------------------------------------------------------------------------------------

EDGE_PORT_TAKEN = declare(
    "SPH-2201",
    "a port of the edge is taken",
    "Another program listens on the port that the environment's proxy was to have. `ss -ltnp` shows which; stop it, or "
    "give the environment another port in `sophia.yaml` (`edge: {port: …}`).",
)
EDGE_ELSEWHERE = declare(
    "SPH-2202",
    "the edge already serves on other ports",
    "The environment's proxy runs, and its ports cannot change without cutting every connection. Take the environment "
    "down and up again to move it.",
)
EDGE_SILENT = declare(
    "SPH-2203",
    "the edge does not answer",
    "The environment's proxy was started but did not answer through its public port in time. The last lines of its "
    "log are in the message; `sophia logs` shows more.",
)
CONFIGURATION_REFUSED = declare(
    "SPH-2204",
    "the proxy refused a configuration",
    "Envoy checked what it was told and kept what it had; the file was put back. Its own words are in the message. "
    "Where they speak of an address in use, another program took an internal port.",
)
NOT_CONFIRMED = declare(
    "SPH-2205",
    "the proxy did not confirm a change in time",
    "The file says what is wanted, and Envoy takes it up as soon as it runs and can read it; until then nobody knows "
    "which version answers. `sophia status` shows whether the proxy runs.",
)
UNKNOWN_BACKEND = declare(
    "SPH-2206",
    "a route leads to a workload that the proxy does not know",
    "The public table names a workload without a backend, so its requests would all fail. Nothing was changed.",
)
OLDER_GENERATION = declare(
    "SPH-2207",
    "a newer table of routes is already serving",
    "Tables of routes are numbered, and an older one never replaces a newer one. Somebody else switched meanwhile; "
    "`sophia status` shows what is live.",
)
STATISTICS_UNREACHABLE = declare(
    "SPH-2208",
    "the proxy's statistics cannot be reached",
    "Envoy did not answer on its admin socket. That says nothing about the traffic: unknown is not bad. It is asked "
    "again.",
)

# --- SPH-21xx: launchers and the local runtime ----------------------------------------------------------------------

LAUNCHER_FAILED = declare(
    "SPH-2101",
    "a launcher could not do its work",
    "The small program that starts and stops processes and switches files could not do what it was asked for; the "
    "message says why. Often a limit of this machine: processes, open files, permissions. What serves goes on serving.",
)
LAUNCHER_BUSY = declare(
    "SPH-2102",
    "another process changes the same resource",
    "Changes of one instance, proxy or file have an order, and the one before did not end in time: it is stopped, or "
    "its disk does not answer. `ps` shows it as `launcher`, with the name of the resource.",
)
NOT_STOPPED = declare(
    "SPH-2103",
    "a process could not be ended",
    "A process of this instance survived SIGKILL: it waits for a device or a file system that does not answer, or it "
    "belongs to another user. It keeps its port. Free what it waits for; the machine's kernel log may name it.",
)
PREPARE_FAILED = declare(
    "SPH-2104",
    "a bundle could not be made ready",
    "The command under `bundle.prepare` ended with an error or took too long. Its last lines are in the message, all "
    "of its output in the log named there. It runs in a copy of the bundle, with your caches and package indexes, and "
    "with nothing else from your shell. Nothing was started.",
)
NOT_PREPARED = declare(
    "SPH-2105",
    "a bundle was never made ready here",
    "An instance was to be started from a bundle that is not prepared on this machine, or for another version of "
    "Python. `sophia up` prepares what is missing before it starts anything.",
)
