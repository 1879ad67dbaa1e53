"""What the kernel and Python say of this process, read each time that somebody asks (proc(5))."""

import gc
import os
import platform
import resource
import time
from pathlib import Path

from healthlb.daemon.breath import Breath
from healthlb.model.snapshot import ProcessStatus

_SELF = Path("/proc/self")
_DESCRIPTORS = _SELF / "fd"
_RESIDENT, _VIRTUAL = 1, 0
"""Fields of /proc/self/statm, in pages."""
_THREADS, _STARTED = 17, 19
"""Fields of /proc/self/stat after the program's name, in which there may be anything."""


class Process:
    """This process. What is not there to be read counts as 0."""

    def __init__(self) -> None:
        self._page = resource.getpagesize()
        self._started_at: float | None = None

    async def status(self, breath: Breath) -> ProcessStatus:
        """Return the process's status now."""
        stat, memory = _fields("stat"), _fields("statm")
        if self._started_at is None:
            self._started_at = _booted() + _number(stat, _STARTED) / os.sysconf("SC_CLK_TCK")
        return ProcessStatus(
            cpu_seconds=time.process_time(),
            resident_bytes=_number(memory, _RESIDENT) * self._page,
            virtual_bytes=_number(memory, _VIRTUAL) * self._page,
            open_descriptors=await _descriptors(breath),
            most_descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            threads=_number(stat, _THREADS),
            started_at=self._started_at,
            python=platform.python_version(),
            collections=tuple(each["collections"] for each in gc.get_stats()),
        )


def _fields(name: str) -> list[str]:
    try:
        return (_SELF / name).read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()
    except OSError:
        return []


def _number(fields: list[str], index: int) -> int:
    return int(fields[index]) if index < len(fields) else 0


def _booted() -> float:
    """Return when the machine was started, in UNIX seconds."""
    try:
        text = Path("/proc/stat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return float(next((line.split()[1] for line in text.splitlines() if line.startswith("btime ")), 0))


async def _descriptors(breath: Breath) -> int:
    """Return how many descriptors are open: the size of the folder since Linux 6.2, before it they are counted."""
    try:
        if size := _DESCRIPTORS.stat().st_size:
            return size
        count = -1  # the folder itself, while it is read
        with os.scandir(_DESCRIPTORS) as entries:
            for _ in entries:
                count += 1
                await breath()
    except OSError:
        return 0
    return count
