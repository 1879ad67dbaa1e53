"""What keeps the speaker on time: locked memory, real time, and no victim of a memory shortage."""

import ctypes
import gc
import os
import resource
from pathlib import Path
from typing import Final

CURRENT, FUTURE = 1, 2
"""MCL_CURRENT and MCL_FUTURE (mlockall(2))."""
IPC_LOCK: Final = 14
"""CAP_IPC_LOCK (capabilities(7))."""
REAL_TIME_PRIORITY: Final = 50
MOST_PROCESSOR: Final = 2_000_000
"""Microseconds that the speaker may compute without once waiting, in real time: more is a loop that would never end."""
SPARED: Final = "-900"
"""Of /proc/self/oom_score_adj: nearly everything else goes first (proc(5))."""


def lock_memory() -> str:
    """Keep every page in memory, now and later; return why it cannot be, empty when it is.

    With a limit on locked memory later allocations would fail, so that it is lifted before or nothing is locked.
    """
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        if limit != resource.RLIM_INFINITY and not _may(IPC_LOCK):
            return f"memory is not locked: no more than {limit} bytes may be"
    library = ctypes.CDLL(None, use_errno=True)
    if library.mlockall(CURRENT | FUTURE) != 0:
        return f"memory is not locked: {os.strerror(ctypes.get_errno())}"
    return ""


def run_in_real_time() -> str:
    """Run before everything that is not real time; return why it cannot be, empty when it is (sched(7))."""
    try:
        resource.setrlimit(resource.RLIMIT_RTTIME, (MOST_PROCESSOR, MOST_PROCESSOR))
        how = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, how, os.sched_param(REAL_TIME_PRIORITY))
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        return f"adverts do not go out in real time: {reason}"
    return ""


def be_spared() -> None:
    """Ask the kernel to end others first when memory is short; it may refuse."""
    try:
        Path("/proc/self/oom_score_adj").write_text(SPARED)
    except OSError:
        return


def settle() -> None:
    """Look at nothing that is here now when garbage is collected later."""
    gc.collect()
    gc.freeze()


def _may(capability: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return False
