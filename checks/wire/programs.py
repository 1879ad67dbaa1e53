"""What a check that runs a program and the carrier of processes say to each other, and whose rights it runs with.

Everything here that looks at files or at the user database may block: it is for threads.
"""

import grp
import os
import pwd
import shutil
import stat
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from checks import Target, UnusableError, Verdict

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OWN_USER = "healthlb_script"
"""The user that a director running as root gives its programs, where it exists."""
POWERLESS = "nobody"
MOST_LINKS = 40
"""How many symbolic links a path may lead through (path_resolution(7))."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run. `environment` is all of it; `user` and `group` are names, None for the default.

    `namespace` is that of `checks.Way`. `input` is what it finds on its standard input.
    """

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    group: str | None = None
    umask: int = 0o022
    namespace: str | None = None
    input: bytes = b""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: an exit status, or the signal that killed it; and the first bytes that it wrote."""

    status: int
    signal: int = 0
    output: bytes = b""
    errors: bytes = b""


class RunsProgram(Protocol):
    """A check whose carrier is `process`."""

    def program(self, target: Target) -> Program:
        """Return what to run, without looking at any file. May raise UnusableError."""

    def ended(self, end: Ended) -> Verdict:
        """Judge how it ended. May raise UnusableError."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a program runs as. `changes` is whether that is another user or group than the director's own."""

    name: str
    uid: int
    gid: int
    changes: bool


def identity(user: str | None, group: str | None) -> Identity:
    """Return whom a program runs as; raise UnusableError where that is not possible or not said outright.

    A director that is root runs it as `healthlb_script` or `nobody` unless told otherwise, and as root only by that
    name. Any other director runs it as itself.
    """
    own = os.geteuid()
    if own != 0:
        return _own_identity(own, user, group)
    entry = _user(user) if user is not None else _unprivileged()
    if entry.pw_uid == 0 and user != "root":
        raise UnusableError(f"user {user} is root by another name; say root if that is meant")
    gid = entry.pw_gid if group is None else _group(group)
    return Identity(entry.pw_name, entry.pw_uid, gid, changes=(entry.pw_uid, gid) != (own, os.getegid()))


def _own_identity(own: int, user: str | None, group: str | None) -> Identity:
    if user is not None and _user(user).pw_uid != own:
        raise UnusableError(f"user {user}: a director that is not root runs programs as its own user only")
    if group is not None and _group(group) != os.getegid():
        raise UnusableError(f"group {group}: a director that is not root runs programs with its own group only")
    try:
        name = pwd.getpwuid(own).pw_name
    except KeyError:
        name = str(own)
    return Identity(name, own, os.getegid(), changes=False)


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except (KeyError, ValueError) as error:
        raise UnusableError(f"there is no user {name}") from error


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError) as error:
        raise UnusableError(f"there is no group {name}") from error


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(OWN_USER)
    except KeyError:
        return _user(POWERLESS)


def located(name: str) -> str:
    """Return the absolute path of a program: its own, or where PATH has it. Raise UnusableError."""
    if name.startswith("/"):
        return name
    path = shutil.which(name, path=PATH)
    if path is None:
        raise UnusableError(f"there is no program {name} in {PATH}")
    return path


def changeable(path: str, uid: int) -> str | None:
    """Return who else than root and this user could put another file at the path, or None. Raise OSError.

    Every folder and symbolic link on the way is looked at, as far as owners and modes tell. In a sticky folder, as /tmp
    is, others cannot replace what they do not own (inode(7)).
    """
    trusted = {0, uid}
    here, parts, links = "/", deque(part for part in path.split("/") if part), 0
    fault = _writable("/", trusted)
    while parts and fault is None:
        part = parts.popleft()
        if part == "..":
            here = os.path.dirname(here)  # noqa: PTH120  `here` has no link in it, so that this is its parent
            continue
        step = os.path.join(here, part)  # noqa: PTH118  text in, text out
        if stat.S_ISLNK(os.lstat(step).st_mode):
            links += 1
            if links > MOST_LINKS:
                return f"{path} leads through more than {MOST_LINKS} links"
            to = os.readlink(step)  # noqa: PTH115  the same
            fault = _owned(step, trusted)
            here = "/" if to.startswith("/") else here
            parts.extendleft(reversed([each for each in to.split("/") if each not in ("", ".")]))
        else:
            here = step
            fault = _writable(here, trusted)
    return fault


def _owned(path: str, trusted: set[int]) -> str | None:
    owner = os.lstat(path).st_uid
    return None if owner in trusted else f"{path} belongs to {_user_name(owner)}"


def _writable(path: str, trusted: set[int]) -> str | None:
    status = os.lstat(path)
    if status.st_uid not in trusted:
        return f"{path} belongs to {_user_name(status.st_uid)}"
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return None
    if status.st_mode & stat.S_IWOTH:
        return f"{path} is writable by everybody"
    if status.st_mode & stat.S_IWGRP and status.st_gid != 0:
        return f"{path} is writable by its group"
    return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def runnable(program: Program) -> tuple[str, Identity]:
    """Return the program's path and whom it runs as. Raise UnusableError with what stands in its way.

    A director that is root runs nothing that others could change (keepalived.conf(5), enable_script_security).
    """
    who = identity(program.user, program.group)
    path = located(program.argv[0])
    try:
        fault = changeable(path, who.uid) if os.geteuid() == 0 else None
        mode = os.stat(path).st_mode  # noqa: PTH116  text in
    except OSError as error:
        raise UnusableError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise UnusableError(f"{path!r}: {error}") from error
    if not stat.S_ISREG(mode):
        raise UnusableError(f"{path} is no regular file")
    if not mode & 0o111:
        raise UnusableError(f"{path} is not executable")
    if fault is not None:
        raise UnusableError(f"{path} could be changed by others than root and {who.name}: {fault}")
    return path, who
