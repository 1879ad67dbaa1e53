"""inotify(7): the kernel tells what happens in a folder."""

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_UNMOUNT = 0x2000
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x1000000
IN_EXCL_UNLINK = 0x4000000
IN_MASK_ADD = 0x20000000

CONTENT = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
FOLDER = IN_DELETE_SELF | IN_MOVE_SELF
"""The folder is not where it was."""
ARRIVAL = IN_CREATE | IN_MOVED_TO
GONE = FOLDER | IN_UNMOUNT | IN_IGNORED
HEADER = struct.Struct("iIII")
READ_BYTES = 65536
LIMITS = {
    errno.ENOSPC: "sysctl fs.inotify.max_user_watches",
    errno.EMFILE: "sysctl fs.inotify.max_user_instances",
}
"""What to raise where the kernel has no more for this user."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to `name` in a watched folder, or to the folder itself."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One queue of events; `file` is readable while there are some. All calls raise OSError."""

    __slots__ = ("file",)

    def __init__(self) -> None:
        self.file = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def watch(self, folder: str, *, arrivals: bool = False) -> int:
        """Watch a folder; return the watch's number, the same for the same folder. It may have to wait for a disk.

        With `arrivals`, a folder that is not watched yet tells of nothing but new names in it.
        """
        mask = FOLDER | IN_ONLYDIR | IN_EXCL_UNLINK | (ARRIVAL | IN_MASK_ADD if arrivals else CONTENT)
        return _checked(_libc.inotify_add_watch(self.file, os.fsencode(folder), ctypes.c_uint32(mask)))

    def forget(self, watch: int) -> None:
        """Watch a folder no more."""
        _checked(_libc.inotify_rm_watch(self.file, watch))

    def events(self) -> list[Event]:
        """Return what has happened, at most one read's worth."""
        try:
            data = os.read(self.file, READ_BYTES)
        except BlockingIOError:
            return []
        found = []
        at = 0
        while at < len(data):
            watch, mask, _, length = HEADER.unpack_from(data, at)
            at += HEADER.size
            found.append(Event(watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))))
            at += length
        return found

    def close(self) -> None:
        """End it, and every watch; a thread that still has it can hit no other file."""
        file, self.file = self.file, -1
        os.close(file)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
