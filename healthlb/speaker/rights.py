"""What keeps the speaker on time: locked memory, real time, and no victim of a memory shortage."""

import ctypes
import gc
import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

CURRENT, FUTURE = 1, 2
"""MCL_CURRENT and MCL_FUTURE (mlockall(2))."""
NET_ADMIN, NET_RAW, IPC_LOCK = 12, 13, 14
"""CAP_NET_ADMIN, CAP_NET_RAW and CAP_IPC_LOCK (capabilities(7))."""
KEPT: Final = frozenset({NET_ADMIN, NET_RAW, IPC_LOCK})
"""What it takes to have addresses and to send adverts; without the last, locked memory could not grow."""
MOST_CAPABILITIES: Final = 64
BOUNDING_DROP, NO_NEW_PRIVILEGES, AMBIENT, AMBIENT_CLEAR_ALL = 24, 38, 47, 4
"""PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT and PR_CAP_AMBIENT_CLEAR_ALL (prctl(2))."""
CAPABILITY_VERSION: Final = 0x20080522
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


def give_up() -> str:
    """Keep no right but those that speaking takes; return why that cannot be, empty when it is.

    Call it last: real time and locked memory may take more. Whoever gets hold of this process by a packet is not root.
    """
    library = ctypes.CDLL(None, use_errno=True)
    for capability in set(range(MOST_CAPABILITIES)) - KEPT:
        # Those that the kernel does not know, and without CAP_SETPCAP all, are refused: what follows is what counts.
        library.prctl(BOUNDING_DROP, capability, 0, 0, 0)
    library.prctl(AMBIENT, AMBIENT_CLEAR_ALL, 0, 0, 0)
    library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    kept = _held() & sum(1 << capability for capability in KEPT)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)  # effective, permitted, inheritable; then those above 31
    # The service manager may forbid to ask, who has then left us no more than is needed.
    if library.capset(header, sets) != 0 and _held() != kept:
        return f"it keeps rights that it does not need: {os.strerror(ctypes.get_errno())}"
    return ""


def give_up_real_time() -> None:
    """Run as everybody does: what is left to do has time, and whoever takes over may need this processor."""
    with suppress(OSError):
        # Without the flag it would be a right that we have given up by now.
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))


def settle() -> None:
    """Look at nothing that is here now when garbage is collected later."""
    gc.collect()
    gc.freeze()


def _may(capability: int) -> bool:
    return bool(_held() >> capability & 1)


def _held() -> int:
    """Return our effective capabilities, a bit for each (proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
