"""One run of the process that speaks VRRP, as its parent has it: messages both ways, and how it ended."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import healthlb
from healthlb.speaker.coding import CodingError
from healthlb.speaker.wire import PIECE, Assembler, FromSpeaker, ToSpeaker, pieces, socket_pair

MODULE = "healthlb.speaker"
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
"""Variables of the environment that it is given; others may hold secrets."""
MESSAGES = 64
"""Datagrams that are read before others have their turn."""


def environment(ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what the process is given of our environment, and where its modules are."""
    folder = str(Path(healthlb.__file__).resolve().parent.parent)
    path = os.pathsep.join(dict.fromkeys([folder, *filter(None, ours.get("PYTHONPATH", "").split(os.pathsep))]))
    return {name: ours[name] for name in KEPT if name in ours} | {"PYTHONPATH": path}


def command(descriptor: int) -> Sequence[str]:
    """Return what is run, which imports nothing from the folder we are in; `descriptor` is its end of the pair."""
    return (sys.executable, "-P", "-m", MODULE, str(descriptor))


Command = Callable[[int], Sequence[str]]


def start(argv: Command = command) -> tuple["subprocess.Popen[bytes]", socket.socket]:
    """Start it and return it with our end of the socket pair; raise OSError. For a thread: fork takes its time.

    It has a session of its own, so that what a terminal sends to all of us (credentials(7)) comes to us alone: who
    stops first matters. What it says on its standard error is ours.
    """
    ours, theirs = socket_pair()
    try:
        process = subprocess.Popen(
            argv(theirs.fileno()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=environment(),
            start_new_session=True,
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


class SpeakerProcess:
    """A process that runs, and its messages. `heard` is given each that it sends, in the thread of the loop.

    What is sent waits here while its socket is full.
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", ours: socket.socket, heard: Callable[[FromSpeaker], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._socket = ours
        self._heard = heard
        self._assembler = Assembler(parent=True)
        self._queue: deque[bytes] = deque()
        self._ended = asyncio.Event()
        self._pidfd = os.pidfd_open(process.pid)
        self.heard_at = self._loop.time()
        self.problem = ""
        self._loop.add_reader(self._pidfd, self._end)
        self._loop.add_reader(self._socket, self._read)

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    def send(self, message: ToSpeaker) -> None:
        """Send a message, after those before it."""
        waiting = bool(self._queue)
        self._queue.extend(pieces(message))
        if not waiting:
            self._write()

    async def ended(self) -> str:
        """Return a clause that says how it ended, once it has."""
        await self._ended.wait()
        status = self._process.wait()  # it has ended (pidfd_open(2)), so that this does not wait
        how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return f"its process {self.pid} ended {how}{f': {self.problem}' if self.problem else ''}"

    def kill(self, why: str) -> None:
        """Kill it; `why` is a clause."""
        self.problem = self.problem or why
        self._process.kill()

    def close(self) -> None:
        """Let go of it; it has ended, or ends by itself when it sees that we have."""
        for descriptor in (self._pidfd, self._socket):
            self._loop.remove_reader(descriptor)
        self._loop.remove_writer(self._socket)
        os.close(self._pidfd)
        self._socket.close()

    def _end(self) -> None:
        """Take in what it said last."""
        self._loop.remove_reader(self._pidfd)
        while self._read():
            pass
        self._ended.set()

    def _read(self) -> bool:
        """Take in some of what it said, and return whether there may be more."""
        for _ in range(MESSAGES):
            try:
                piece = self._socket.recv(PIECE + 1)
            except BlockingIOError:
                return False
            except OSError:
                piece = b""
            if not piece:
                self._loop.remove_reader(self._socket)
                return False
            self._take(piece)
        return True

    def _take(self, piece: bytes) -> None:
        if self.problem:
            return  # it is being killed
        self.heard_at = self._loop.time()
        try:
            message = self._assembler.take(piece)
        except CodingError as error:
            self.kill(f"it cannot be understood: {error}")
            return
        if message is not None:
            self._heard(message)  # type: ignore[arg-type]

    def _write(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._queue:
                try:
                    self._socket.send(self._queue[0], socket.MSG_NOSIGNAL)
                except BlockingIOError:
                    raise
                except OSError:  # its end is closed: that it has ended is told elsewhere
                    self._queue.clear()
                    break
                self._queue.popleft()
        if self._queue:
            self._loop.add_writer(self._socket, self._write)
        else:
            self._loop.remove_writer(self._socket)
