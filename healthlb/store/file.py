"""A file of saved state: replaced as a whole, and believed only as a whole.

The first line names what it is, its version and the SHA-256 of the rest, which is the body. It is written beside its
name and renamed over it once it is on the disk (rename(2), fsync(2)), so that whoever reads it, after whatever crash,
finds the old one or the new one. What cannot be believed is set aside and never written over.
"""

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from healthlb.store.owner import create

MOST = 256 * 1024 * 1024
"""Bytes of a file that are read at most. The health of 10,000 servers is about 5 MB."""
ASIDE = 3
"""Files set aside that are kept of each name, the newest."""
_MAGIC = b"healthlb"
_LONGEST_HEADER = 256


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file held, and the UNIX seconds of when it was last said to be true."""

    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no file."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file cannot be believed, and why; it is now called `kept_as`, empty where it could not be renamed."""

    reason: str
    kept_as: str = ""


class StateFile:
    """One file of a kind and version. Every method blocks on the disk; one thread at a time may use it."""

    def __init__(self, path: Path, kind: str, version: int) -> None:
        self.path = path
        self._kind = kind.encode()
        self._version = version
        self._unwritten = path.with_name(f".{path.name}.new")
        self._in_the_way = False

    def read(self) -> Kept | Absent | Damaged:
        """Return what there is; never raises. What cannot be believed is set aside, under a name with the time."""
        try:
            text, at = _read(self.path)
            return Kept(self._body(text), at)
        except FileNotFoundError:
            return Absent()
        except (OSError, ValueError) as error:
            return self.set_aside(told(error))

    def set_aside(self, reason: str) -> Damaged:
        """Rename the file for somebody to look at; where that fails, `write` refuses until it succeeds."""
        try:
            kept_as = set_aside([self.path])
        except OSError:
            self._in_the_way = True
            return Damaged(reason)
        self._in_the_way = False
        return Damaged(reason, kept_as)

    def write(self, body: bytes) -> None:
        """Replace the file; raise OSError with the old one in its place, or at worst the new one not surely on disk."""
        if self._in_the_way and not self.set_aside("").kept_as:
            raise OSError(f"{self.path} is damaged and cannot be renamed")
        self._unwritten.unlink(missing_ok=True)
        try:
            _write(self._unwritten, self._header(body), body)
            self._unwritten.replace(self.path)
        except OSError:
            self.tidy()
            raise
        _to_disk(self.path.parent)

    def touch(self) -> None:
        """Say that what the file holds is true now; raise OSError where it cannot be said."""
        os.utime(self.path)

    def tidy(self) -> None:
        """Remove what a crash left half written."""
        with contextlib.suppress(OSError):
            self._unwritten.unlink(missing_ok=True)

    def _header(self, body: bytes) -> bytes:
        return b"%s %s %d %s\n" % (_MAGIC, self._kind, self._version, hashlib.sha256(body).hexdigest().encode())

    def _body(self, text: bytes) -> bytes:
        header, newline, body = text.partition(b"\n")
        words = header.split(b" ")
        if not newline or len(header) > _LONGEST_HEADER or len(words) != 4 or words[:2] != [_MAGIC, self._kind]:
            raise ValueError(f"it does not begin as a file of healthlb's {self._kind.decode()} does")
        if words[2] != b"%d" % self._version:
            version = words[2][:20].decode("ascii", "backslashreplace")
            raise ValueError(f"it is of version {version}, and this healthlb reads version {self._version}")
        if words[3] != hashlib.sha256(body).hexdigest().encode():
            raise ValueError("its checksum is wrong: it is cut short or was changed")
        return body


def told(error: Exception) -> str:
    """Return a fault of the disk or of a file's content as an operator reads it."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def set_aside(paths: list[Path]) -> str:
    """Rename files that belong together, and return the new name of the first; raise OSError where it stays.

    Of what was set aside before, the newest few are kept.
    """
    first = paths[0]
    beginning = f"{first.name}.damaged-"
    while os.path.lexists(aside := first.with_name(beginning + datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f"))):
        pass
    first.rename(aside)
    for path in paths[1:]:
        with contextlib.suppress(OSError):
            path.rename(aside.with_name(aside.name + path.name.removeprefix(first.name)))
    with contextlib.suppress(OSError):
        _forget_older(first.parent, beginning)
    return str(aside)


def _forget_older(folder: Path, beginning: str) -> None:
    names = [path.name for path in folder.iterdir() if path.name.startswith(beginning)]
    asides = sorted({name.removesuffix("-wal").removesuffix("-shm") for name in names})
    for old in asides[:-ASIDE]:
        for name in names:
            if name in {old, f"{old}-wal", f"{old}-shm"}:
                (folder / name).unlink()


def _read(path: Path) -> tuple[bytes, float]:
    # Without waiting: a FIFO of that name would never answer.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        if status.st_size > MOST:
            raise ValueError(f"it is larger than {MOST // 1024 // 1024} MiB")
        with open(number, "rb", closefd=False) as file:
            return file.read(MOST + 1), status.st_mtime
    finally:
        os.close(number)


def _write(path: Path, *parts: bytes) -> None:
    with os.fdopen(create(path, 0o600), "wb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())


def _to_disk(folder: Path) -> None:
    """Let the names in a folder outlive a power cut (fsync(2))."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
