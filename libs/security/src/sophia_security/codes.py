"""The kinds of failure of this room, SPH-3000 to SPH-3999, a block per module."""

from __future__ import annotations

from sophia_deployment_core.errors import declare

# --- SPH-30xx: the local secret store -------------------------------------------------------------------------------

NO_SECRET = declare(
    "SPH-3001",
    "a secret is not set",
    "The secret named in the message has no value in that environment, or no longer the version that was asked for "
    "(versions are kept as long as a revision refers to them). `sophia secrets list ENVIRONMENT` shows what is set, "
    "`sophia secrets set ENVIRONMENT NAME` asks for a value.",
)
BAD_SECRET = declare(
    "SPH-3002",
    "a secret's name or value cannot be used",
    "Secrets reach services as environment variables. So a name has letters, digits and `_`, and does not start with a "
    "digit; a value has 1 to 65,536 bytes of UTF-8 and no NUL.",
    exit=2,
)
KEY_UNUSABLE = declare(
    "SPH-3003",
    "the key of the secret store cannot be used",
    "The store can only be read with the key file it was written with, and that file may be readable by its owner "
    "only. Put the right key back (it is not in the store and cannot be made again), or remove store and key and set "
    "every secret anew.",
)
STORE_UNUSABLE = declare(
    "SPH-3004",
    "the secret store cannot be read or written",
    "The file is damaged, was edited, has a newer format, cannot be accessed, or another `sophia secrets` has had it "
    "locked for too long. The message says which.",
)
