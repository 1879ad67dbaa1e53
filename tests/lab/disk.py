"""A small ext4 disk of a guest's own, which can be filled, fail as disks do, and be taken away from its users."""

import contextlib
import errno
import itertools
import os
import stat
import subprocess
from pathlib import Path

SIZE = 4 * 1024 * 1024
"""Bytes, a quarter of them for ext4's own journal."""
LOOP_MAJOR = 7
"""Block devices 7, 0 and on are files (loop(4)); a guest need not have their nodes in /dev."""
COMMAND_DEADLINE = 30.0
_numbers = itertools.count()


class Disk:
    """A disk at a place. For tests in a kernel of their own: modules are loaded. Times are seconds.

    The place is a link to where it is mounted, so that it comes and goes in one step: a folder that is there for a
    moment before or after the disk is would be written to.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._mounted = False
        number = next(_numbers)
        self._mount = place.with_name(f"{place.name}-{number}.mount")
        self._image = place.with_name(f"{place.name}-{number}.image")
        self._device = place.with_name(f"{place.name}-{number}.device")
        program = Path("/proc/sys/kernel/modprobe").read_text().strip()
        _run(program, "-a", "loop", "ext4")
        os.mknod(self._device, stat.S_IFBLK | 0o600, os.makedev(LOOP_MAJOR, number))
        with self._image.open("wb") as image:
            image.truncate(SIZE)
        _run("mkfs.ext4", "-q", "-b", "1024", "-J", "size=1", self._image)
        _run("losetup", self._device, self._image)
        self.mount()

    def mount(self) -> None:
        """Have it at its place."""
        self._mount.mkdir()
        _run("mount", "-t", "ext4", "-o", "errors=remount-ro", self._device, self._mount)
        self.place.symlink_to(self._mount)
        self._mounted = True

    def fill(self) -> None:
        """Leave no block free."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def make_room(self) -> None:
        """Take out again what fills it."""
        self._filler.unlink()

    def fail(self) -> None:
        """Have it read-only all of a sudden, for open files too, as after an error of the device (ext4(5), errors)."""
        _run("mount", "-o", "remount,abort", self._mount)
        with contextlib.suppress(OSError):  # what is written next finds out
            (self.place / "error").touch()

    def vanish(self) -> None:
        """Take it away with its folder: who has files open keeps them, and finds nothing by name (umount(8))."""
        self.place.unlink()
        _run("umount", "--lazy", self._mount)
        self._mounted = False
        self._mount.rmdir()

    def close(self) -> None:
        """Give it back."""
        if self._mounted:
            _run("umount", "--lazy", self._mount)
        _run("losetup", "--detach", self._device)

    @property
    def _filler(self) -> Path:
        return self.place / "filler"


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, timeout=COMMAND_DEADLINE)
