"""Looks at a file, and has the folder watched that shows when it changes. All of it may block: it is for threads."""

import os
import stat
from dataclasses import dataclass

from checks import UnusableError
from checks.engine.inotify import Inotify
from checks.wire.reading import MOST_BYTES

NOT_THERE = (FileNotFoundError, NotADirectoryError)

TRIES = 3
"""How often a folder that appears between two looks is looked for again."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: the file's first bytes, None for no file, or why it cannot be read.

    `watch` is the number of the watch on the nearest folder there is, `name` what to look out for in it: the file, or
    the next folder on the way to it. Without a watch, `fault` says why. With `elsewhere` the watch does not show all:
    the path leads through a symbolic link, which may lead to another file tomorrow.
    """

    seen: bytes | Exception | None
    watch: int | None = None
    name: str = ""
    fault: OSError | None = None
    elsewhere: bool = False


def look(path: str, inotify: Inotify | None) -> Look:
    """Watch first, then read: what happens in between is seen twice rather than never."""
    watch, name, fault = None, "", None
    if inotify is not None:
        try:
            watch, name = _watched(path, inotify)
        except OSError as error:
            fault = error
    try:
        through_link = os.path.realpath(path) != os.path.normpath(path)
        return Look(_read(path), watch, name, fault, through_link)
    except Exception as error:  # noqa: BLE001  whatever it is, the loop's thread tells it
        return Look(error, watch, name, fault)


def _watched(path: str, inotify: Inotify) -> tuple[int, str]:
    for _ in range(TRIES):
        watch, name, appeared = _nearest(path, inotify)
        if not appeared:
            break
    return watch, name


def _nearest(path: str, inotify: Inotify) -> tuple[int, str, bool]:
    """Watch the nearest folder; return the watch, the name there, and whether a nearer folder has just appeared."""
    folder, name = os.path.split(path)
    watch = _watch(inotify, folder, arrivals=False)
    if watch is not None:
        return watch, name, False
    while watch is None:
        folder, name = os.path.split(folder)
        watch = _watch(inotify, folder, arrivals=True)
    return watch, name, os.path.isdir(os.path.join(folder, name))  # noqa: PTH112, PTH118  text in, text out


def _watch(inotify: Inotify, folder: str, *, arrivals: bool) -> int | None:
    try:
        return inotify.watch(folder, arrivals=arrivals)
    except NOT_THERE:
        if folder in ("", "/"):
            raise
        return None


def _read(path: str) -> bytes | None:
    try:
        _must_be_regular(path, os.stat(path).st_mode)  # noqa: PTH116  text in
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except NOT_THERE:
        return None
    except OSError as error:
        raise UnusableError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    try:
        _must_be_regular(path, os.fstat(file).st_mode)
        return os.read(file, MOST_BYTES)
    except OSError as error:
        raise UnusableError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    finally:
        os.close(file)


def _must_be_regular(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise UnusableError(f"{path} is no regular file")
