"""The local secret store: one encrypted file per state directory, and the masking of values in what people see.

    secrets       0600  names and version numbers in the clear, each value encrypted by itself
    secrets.key   0600  32 random bytes; made with the first secret, never again
    secrets.lock  0600  held while the store changes

AES-256-GCM rather than Fernet, because it binds a value to its place: the environment, name and version are
authenticated with it, so nobody can move production's old password to its new version, or staging's to production.
What it cannot see is the whole file replaced by an older one.

Versions are counted per environment and name, and a number is never given out twice. Setting makes a new version,
unsetting none: old versions stay readable until `keep` prunes what no revision refers to.
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import json
import os
import re
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sophia_deployment_core.canonical import canonical
from sophia_deployment_core.errors import SophiaError

from sophia_security.codes import BAD_SECRET, KEY_UNUSABLE, NO_SECRET, STORE_UNUSABLE

VALUE_BYTES = 64 * 1024
LOCK_SECONDS = 5.0
_FORMAT = 1
_NONCE_BYTES = 12
_CHECK = "key check"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

Reference = tuple[str, str, int]
"""Environment, name, version: what a revision refers to."""


@dataclass
class _Secret:
    """One name in one environment. `current` is None when it was unset; `last` is the newest number given out."""

    last: int = 0
    current: int | None = None
    versions: dict[int, str] = field(default_factory=dict)


@dataclass
class _Store:
    check: str
    environments: dict[str, dict[str, _Secret]]


class LocalSecrets:
    """The `Secrets` port and the verbs of `sophia secrets`. Calls read the file anew; several processes may write."""

    def __init__(self, state_dir: Path, *, key_file: Path | None = None) -> None:
        self._path = state_dir / "secrets"
        self._key_path = key_file or state_dir / "secrets.key"
        self._lock_path = state_dir / "secrets.lock"

    # --- reading -----------------------------------------------------------------------------------------------------

    def versions(self, environment: str) -> Mapping[str, int]:
        """The newest version of each secret that is set. Needs no key."""
        secrets = self._read().environments.get(environment, {})
        return {name: secret.current for name, secret in sorted(secrets.items()) if secret.current is not None}

    def value(self, environment: str, name: str, version: int) -> str:
        """One version's value; raises `SophiaError` if it was never set, was pruned, or the key is wrong."""
        store = self._read()
        secret = store.environments.get(environment, {}).get(name)
        if secret is None or version not in secret.versions:
            raise _missing(environment, name, version, secret)
        return self._opened(self._key(store), secret.versions[version], (environment, name, version))

    def values(self, environment: str) -> Collection[str]:
        """Every value that is kept for an environment, old and unset ones too: what must be masked. Needs the key."""
        store = self._read()
        secrets = store.environments.get(environment, {})
        if not any(secret.versions for secret in secrets.values()):
            return frozenset()
        cipher = self._key(store)
        return frozenset(
            self._opened(cipher, sealed, (environment, name, version))
            for name, secret in secrets.items()
            for version, sealed in secret.versions.items()
        )

    # --- changing ----------------------------------------------------------------------------------------------------

    def set(self, environment: str, name: str, value: str) -> int:
        """Store a value and return its version; setting the value that it has already changes nothing."""
        _refuse_unusable(name, value)
        with self._changing() as store:
            cipher = self._key(store, make=True)
            secret = store.environments.setdefault(environment, {}).setdefault(name, _Secret())
            if self._is_already(cipher, secret, environment, name, value):
                return secret.last
            secret.last += 1
            secret.current = secret.last
            secret.versions[secret.last] = _sealed(cipher, value, (environment, name, secret.last))
            self._write(store)
            return secret.last

    def unset(self, environment: str, name: str) -> None:
        """Take a secret from what new revisions get; kept versions stay readable. Raises if it is not set."""
        with self._changing() as store:
            secret = store.environments.get(environment, {}).get(name)
            if secret is None or secret.current is None:
                raise _missing(environment, name, None, secret)
            secret.current = None
            self._write(store)

    def keep(self, versions: Collection[Reference]) -> Collection[Reference]:
        """Remove every version that is neither current nor in `versions`; returns what was removed."""
        with self._changing() as store:
            removed = [
                (environment, name, version)
                for environment, secrets in store.environments.items()
                for name, secret in secrets.items()
                for version in secret.versions
                if version != secret.current and (environment, name, version) not in versions
            ]
            for environment, name, version in removed:
                del store.environments[environment][name].versions[version]
            if removed:
                self._write(store)
            return removed

    # --- the key -----------------------------------------------------------------------------------------------------

    def _key(self, store: _Store, *, make: bool = False) -> AESGCM:
        """The cipher, after proving that it is the one of this store."""
        cipher = AESGCM(self._key_bytes(make=make and not store.check))
        if not store.check:
            store.check = _sealed(cipher, "", (_CHECK, "", 0))
            return cipher
        try:
            _open(cipher, store.check, (_CHECK, "", 0))
        except (InvalidTag, ValueError) as error:
            raise SophiaError(
                KEY_UNUSABLE,
                f"`{self._key_path}` is not the key that `{self._path}` was written with",
                hint="put the right key file back",
            ) from error
        return cipher

    def _key_bytes(self, *, make: bool) -> bytes:
        try:
            text = _read_private(self._key_path)
        except FileNotFoundError as error:
            if not make:
                raise SophiaError(
                    KEY_UNUSABLE,
                    f"`{self._key_path}` is missing: the secrets in `{self._path}` cannot be read without it",
                    hint="put the key file back; it cannot be made again",
                ) from error
            key = os.urandom(32)
            _write_private(self._key_path, base64.b64encode(key) + b"\n")
            return key
        return _decoded_key(text, self._key_path)

    def _opened(self, cipher: AESGCM, sealed: str, place: Reference) -> str:
        try:
            return _open(cipher, sealed, place)
        except (InvalidTag, ValueError) as error:
            environment, name, version = place
            raise SophiaError(
                STORE_UNUSABLE,
                f"version {version} of `{name}` in `{environment}` was changed after it was stored in `{self._path}`",
                hint=f"set it anew: `sophia secrets set {environment} {name}`",
            ) from error

    def _is_already(self, cipher: AESGCM, secret: _Secret, environment: str, name: str, value: str) -> bool:
        if secret.current is None or secret.current != secret.last:
            return False
        now = self._opened(cipher, secret.versions[secret.current], (environment, name, secret.current))
        return hmac.compare_digest(now.encode(), value.encode())

    # --- the file ----------------------------------------------------------------------------------------------------

    def _read(self) -> _Store:
        try:
            return _parsed(_read_private(self._path), self._path)
        except FileNotFoundError:
            return _Store("", {})

    def _write(self, store: _Store) -> None:
        document = {"v": _FORMAT, "check": store.check, "environments": _plain(store)}
        _write_private(self._path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())

    @contextmanager
    def _changing(self) -> Iterator[_Store]:
        """The store, under the writers' lock."""
        with _reporting(self._lock_path):
            self._lock_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock_soon(lock, self._path)
            yield self._read()
        finally:
            os.close(lock)


# --- values and places ----------------------------------------------------------------------------------------------


def _sealed(cipher: AESGCM, value: str, place: Reference) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + cipher.encrypt(nonce, value.encode(), _bound(place))).decode("ascii")


def _open(cipher: AESGCM, sealed: str, place: Reference) -> str:
    raw = base64.b64decode(sealed, validate=True)
    return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(place)).decode()


def _bound(place: Reference) -> bytes:
    return canonical(["sophia secret", _FORMAT, *place]).encode("ascii")


def _refuse_unusable(name: str, value: str) -> None:
    because, hint = None, "keep large or binary values in a file of the service's own"
    if not _NAME.fullmatch(name):
        because = f"`{name}` is no name for a secret: letters, digits and `_`, not starting with a digit"
        hint = "it is the name of the environment variable that the service reads"
    elif not value:
        because, hint = f"the value of `{name}` is empty", "`sophia secrets unset` takes a secret away"
    elif "\0" in value:
        because = f"the value of `{name}` holds a NUL, which an environment variable cannot"
    elif len(value.encode("utf-8", "surrogatepass")) > VALUE_BYTES:
        because = f"the value of `{name}` is longer than {VALUE_BYTES:,} bytes"
    elif any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        because = f"the value of `{name}` is not UTF-8"
    if because is not None:
        raise SophiaError(BAD_SECRET, because, hint=hint)


def _missing(environment: str, name: str, version: int | None, secret: _Secret | None) -> SophiaError:
    if secret is not None and version is not None and version <= secret.last:
        message = f"version {version} of the secret `{name}` is no longer kept in `{environment}`"
    elif version is not None and secret is not None:
        message = f"the secret `{name}` has no version {version} in `{environment}`; the newest is {secret.last}"
    else:
        message = f"the secret `{name}` is not set in `{environment}`"
    return SophiaError(NO_SECRET, message, hint=f"set it: `sophia secrets set {environment} {name}`")


# --- files ----------------------------------------------------------------------------------------------------------


def _parsed(raw: bytes, path: Path) -> _Store:
    try:
        document = json.loads(raw)
        if document["v"] != _FORMAT:
            raise SophiaError(
                STORE_UNUSABLE,
                f"`{path}` has format {document['v']}, not {_FORMAT}",
                hint="use a newer version of Sophia",
            )
        return _Store(
            str(document["check"]),
            {
                environment: {name: _secret(stored) for name, stored in secrets.items()}
                for environment, secrets in document["environments"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SophiaError(STORE_UNUSABLE, f"`{path}` is damaged", hint="put back a copy, with its key file") from error


def _secret(stored: dict[str, Any]) -> _Secret:
    current = stored["current"]
    versions = {int(number): str(sealed) for number, sealed in stored["versions"].items()}
    if current is not None and current not in versions:
        raise ValueError("the current version is missing")
    return _Secret(int(stored["last"]), current, versions)


def _plain(store: _Store) -> dict[str, Any]:
    return {
        environment: {
            name: {
                "last": secret.last,
                "current": secret.current,
                "versions": {str(number): sealed for number, sealed in secret.versions.items()},
            }
            for name, secret in secrets.items()
        }
        for environment, secrets in store.environments.items()
    }


def _decoded_key(text: bytes, path: Path) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise SophiaError(KEY_UNUSABLE, f"`{path}` does not hold a key", hint="put the right key file back")
    return key


def _read_private(path: Path) -> bytes:
    """The content of a file that only its owner may read; refuses any other. Raises `FileNotFoundError`."""
    with _reporting(path), path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise SophiaError(
                KEY_UNUSABLE, f"others can read `{path}`", hint=f"`chmod 600 {path}`, and rotate the secrets"
            )
        return file.read()


def _write_private(path: Path, content: bytes) -> None:
    """Replace a file by one with mode 0600, whole or not at all, durable on return."""
    new = path.with_name(f"{path.name}.new")
    with _reporting(path):
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _lock_soon(lock: int, path: Path) -> None:
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise SophiaError(
                    STORE_UNUSABLE,
                    f"another process has had `{path}` locked for {LOCK_SECONDS:.0f} s",
                    hint="end the other `sophia secrets`",
                ) from None
            time.sleep(0.02)


@contextmanager
def _reporting(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        because = (error.strerror or str(error)).lower()
        raise SophiaError(
            STORE_UNUSABLE, f"`{path}` cannot be used: {because}", hint="check its owner, its mode and the free space"
        ) from error
