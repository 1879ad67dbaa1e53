"""Starts the speaker, by the director's process: `python -m healthlb.speaker DESCRIPTOR`, one end of a socket pair."""

import os
import signal
import socket
import sys
import time

from healthlb.model.vrrp_status import SpeakerStatus
from healthlb.speaker import rights
from healthlb.speaker.channel import Channel
from healthlb.speaker.coding import CodingError
from healthlb.speaker.loop import Speaker

IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)
"""Meant for the director's process, which a terminal or a service manager reaches in the same group."""


def main(words: list[str]) -> int:
    """Speak until the director says to stop or is gone; return 0, or 2 if it does not speak our language."""
    if len(words) != 1 or not words[0].isdigit():
        print("this is the director's process that speaks VRRP; healthlb run starts it", file=sys.stderr)  # noqa: T201
        return 2
    channel = Channel(socket.socket(fileno=int(words[0])))
    stops = [_end_signals(), *_parent()]
    # Last of all, for it takes along what is in memory by now.
    problems = [problem for problem in (rights.run_in_real_time(), rights.lock_memory()) if problem]
    rights.be_spared()
    problems += filter(None, (rights.give_up(),))
    process = SpeakerStatus(
        running=True,
        pid=os.getpid(),
        since=time.time(),
        real_time=os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO,
        memory_locked=not any(problem.startswith("memory") for problem in problems),
        problem=", ".join(problems),
    )
    speaker = Speaker(channel, process, stops=stops)
    rights.settle()
    try:
        speaker.run()
    except CodingError as problem:
        print(f"the process that speaks VRRP ends: {problem}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _end_signals() -> int:
    """Return a descriptor that becomes readable when somebody ends us by signal."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _parent() -> list[int]:
    """Return a descriptor that becomes readable when the director's process ends, if there is such a thing.

    The socket pair says the same, unless a child of that process has inherited its end.
    """
    try:
        return [os.pidfd_open(os.getppid())]
    except OSError:
        return []
