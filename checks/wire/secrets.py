"""Secrets that are kept in files: read when a probe needs one, and again once the file has changed.

Those that stand in the configuration itself, or come to it from the environment, are only kept out of what is told.
"""

import os
import re
from base64 import b64encode
from pathlib import Path
from time import monotonic

from checks import UnusableError

LOOK_AGAIN_SECONDS = 1.0
"""How long a secret is used before its file's times are looked at again."""
MOST = 65536
SHORTEST = 4
HIDDEN = b"***"
SHORTEST_WRITTEN = 8
"""Bytes of a secret of the configuration, or of a part of one; `Bearer` is none."""
MOST_WRITTEN = 200
"""Secrets of the configuration that are remembered, the newest."""

NAME = re.compile(
    r"auth(?!ority)|cookie|token|secret|passw|credential|session|signature|(?:api|access|private)[-_]?key",
    re.IGNORECASE,
)
"""Is found in the names of headers and metadata that hold a secret."""
_VARIABLE = re.compile(NAME.pattern + r"|(?:^|_)(?:key|pass|pwd|pw|sig|jwt)$", re.IGNORECASE)
_PLACE = re.compile(r"_(?:file|path|dir)$", re.IGNORECASE)

_kept: dict[str, tuple[float, tuple[int, ...], bytes]] = {}
_written: dict[bytes, None] = {}
_variables: dict[bytes, None] = {}


def secret(option: str, path: str) -> bytes:
    """Return a file's content without the line end at its end. Raise UnusableError, which names the option.

    `prepare` is the place to try it first, in a thread; later calls cost a stat(2) a second at most.
    """
    now = monotonic()
    known = _kept.get(path)
    if known is not None and now - known[0] < LOOK_AGAIN_SECONDS:
        return known[2]
    try:
        status = os.stat(path)  # noqa: PTH116  a probe's start pays for no Path
        stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
        content = known[2] if known is not None and known[1] == stamp else _read(option, path)
    except OSError as error:
        _kept.pop(path, None)
        raise UnusableError(f"{option} {path}: {(error.strerror or str(error)).lower()}") from error
    _kept[path] = (now, stamp, content)
    return content


def unreadable(option: str, path: str | None) -> str | None:
    """Return what is wrong with a secret's file, or None; for a check's `prepare`."""
    try:
        if path is not None:
            secret(option, path)
    except UnusableError as error:
        return str(error)
    return None


def hide(value: bytes) -> None:
    """Keep a secret that the configuration itself holds, and its parts (a cookie's value, a token), out of evidence."""
    for each in (value, *re.split(rb"[\s;,=]+", value)):
        if len(each) >= SHORTEST_WRITTEN:
            _written.pop(each, None)
            _written[each] = None
    while len(_written) > MOST_WRITTEN:
        del _written[next(iter(_written))]


def hide_variable(name: str, value: str) -> None:
    """Keep what a variable of the environment gives to the configuration out of what is told, if its name says so."""
    content = value.encode("utf-8", "surrogateescape")
    if len(content) >= SHORTEST and _VARIABLE.search(name) and not _PLACE.search(name):
        _variables[content] = None


def without_secrets(said: bytes) -> bytes:
    """Return what was said, for people, without the secrets that are known here, or one's beginning at its end.

    Secrets of less than SHORTEST bytes are left: what they hide would be found everywhere.
    """
    # Copies: files are read in threads, and one more may come meanwhile.
    for known in tuple(_written):
        said = _without(said, known)
    for content in (*_variables, *(kept[2] for kept in tuple(_kept.values()))):
        for known in (content, b64encode(content)):
            if len(known) >= SHORTEST:
                said = _without(said, known)
    return said


def text_without_secrets(said: str) -> str:
    """Return the same of a text."""
    if not (_written or _variables or _kept):
        return said
    content = said.encode("utf-8", "surrogateescape")
    told = without_secrets(content)
    return said if told == content else told.decode("utf-8", "surrogateescape")


def _without(said: bytes, known: bytes) -> bytes:
    said = said.replace(known, HIDDEN)
    begun = known[:SHORTEST]
    at = said.find(begun, max(0, len(said) - len(known) + 1))
    while at >= 0:
        if known.startswith(said[at:]):
            return said[:at] + HIDDEN
        at = said.find(begun, at + 1)
    return said


def _read(option: str, path: str) -> bytes:
    if not Path(path).is_file():
        raise UnusableError(f"{option} {path} is no regular file")
    with Path(path).open("rb") as file:
        content = file.read(MOST + 1).removesuffix(b"\n").removesuffix(b"\r")
    if len(content) > MOST:
        raise UnusableError(f"{option} {path} is longer than {MOST} bytes")
    if not content:
        raise UnusableError(f"{option} {path} is empty")
    return content
