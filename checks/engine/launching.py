"""Starts, kills and reaps a program. `launch` blocks and is for a thread; a Child's methods do not block."""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import select
import signal
import struct
import subprocess
from collections.abc import Iterator

from checks import UnusableError
from checks.engine.ways import within
from checks.wire.programs import Ended, Identity, Program, runnable

PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITIES = struct.pack("Ii", 0x20080522, 0)
"""A cap_user_header_t of _LINUX_CAPABILITY_VERSION_3 for the calling thread (capget(2))."""
KEPT = 4096
"""The bytes of each of a program's two outputs that are kept."""
PROGRAM_AT_FAULT = {
    errno.ENOENT: "it, or the interpreter that its first line names, is not there",
    errno.ENOEXEC: "not a program, nor a script whose first line begins with #!",
    errno.E2BIG: "its arguments and environment are too long",
    errno.ETXTBSY: "it is being written",
    errno.ELIBBAD: "it is broken",
}
"""What execve(2) says of the program rather than of the director."""
FLOOD = 1 << 20
"""Bytes after which an output is a flood: its pipe is made to hold as many (fcntl(2)), to be read less often."""
_dropped = mmap.mmap(-1, FLOOD)
"""Where the rest goes; memory only once there is a flood."""


def give_up_capabilities() -> None:
    """Have what this thread starts from now on inherit none of its capabilities (capabilities(7)).

    The ambient set is what a program would have at once, the inheritable one what it could have by its file's. A system
    call filter may keep us from emptying the latter, as systemd's for @privileged does.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, sets = ctypes.create_string_buffer(CAPABILITIES, len(CAPABILITIES)), ctypes.create_string_buffer(24)
    if libc.capget(header, sets) == 0:
        words = list(struct.unpack("6I", sets.raw))  # effective, permitted and inheritable, twice
        words[2] = words[5] = 0
        libc.capset(header, ctypes.create_string_buffer(struct.pack("6I", *words), 24))


class Output:
    """One of a program's outputs: the first bytes are kept, the rest is read and dropped. `file` is -1 once closed."""

    __slots__ = ("_total", "file", "kept")

    def __init__(self, file: int) -> None:
        os.set_blocking(file, False)
        self.file = file
        self.kept = b""
        self._total = 0

    @property
    def flooding(self) -> bool:
        """Say whether so much has come that reading it at once all the time would cost too much."""
        return self._total > FLOOD

    def read(self) -> bool:
        """Read once what there is; return whether more may come."""
        try:
            count = os.readv(self.file, [_dropped])
        except BlockingIOError:
            return True
        except OSError:
            return False
        if len(self.kept) < KEPT:
            self.kept += _dropped[: min(count, KEPT - len(self.kept))]
        if not self.flooding and self._total + count > FLOOD:
            with contextlib.suppress(OSError):  # more than its user may have: the pipe stays as it is
                fcntl.fcntl(self.file, fcntl.F_SETPIPE_SZ, FLOOD)
        self._total += count
        return count > 0


class Child:
    """A program under way, in a session and a process group of its own. Its `pidfd` is readable once it has ended."""

    __slots__ = ("_process", "errors", "output", "pidfd")

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None  # noqa: S101  `launch` asked for pipes
        assert process.stderr is not None  # noqa: S101  the same
        self._process = process
        self.output = Output(process.stdout.fileno())
        self.errors = Output(process.stderr.fileno())
        self.pidfd = os.pidfd_open(process.pid)

    def has_ended(self) -> bool:
        """Say whether it has ended, and waits to be reaped."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def kill(self) -> None:
        """Kill its process group. Until it is reaped, its id cannot be another's."""
        _kill(self._process)

    def reap(self, *, wait: bool = False) -> Ended | None:
        """Collect how it ended and let go of all that it held; None while it runs. Raise UnusableError."""
        try:
            end = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | (0 if wait else os.WNOHANG))
        except ChildProcessError as error:
            self._let_go()
            raise UnusableError("the script's exit status went to somebody else") from error
        if end is None:
            return None
        self.output.read()
        self.errors.read()
        self._let_go()
        killed = 0 if end.si_code == os.CLD_EXITED else end.si_status
        return Ended(0 if killed else end.si_status, killed, self.output.kept, self.errors.kept)

    def put_down(self) -> None:
        """Kill it, wait until it has ended and let go of it. For a thread: what cannot be killed keeps that waiting."""
        self.kill()
        with contextlib.suppress(UnusableError):
            self.reap(wait=True)

    def _let_go(self) -> None:
        self._process.returncode = 0  # reaped: nothing is left to do for subprocess, nor to warn of
        os.close(self.pidfd)
        self.output.file = self.errors.file = -1
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def launch(program: Program) -> Child:
    """Start a program. Raise UnusableError for what it lacks, OSError for what the director lacks."""
    path, who = runnable(program)
    with within(program.namespace) if program.namespace else contextlib.nullcontext():
        process = _started(path, who, program)
    try:
        return Child(process)
    except OSError:
        _kill(process)
        with process:  # closes its pipes and reaps it
            pass
        raise


def _started(path: str, who: Identity, program: Program) -> "subprocess.Popen[bytes]":
    rights = {"user": who.uid, "group": who.gid, "extra_groups": []} if who.changes else {}
    try:
        with _standing_ready(program.input) as standard_input:
            return subprocess.Popen(  # type: ignore[call-overload, no-any-return]  # the dictionary is too much for mypy
                [path, *program.argv[1:]],
                bufsize=0,
                stdin=standard_input,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=dict(program.environment),
                start_new_session=True,
                umask=program.umask,
                **rights,
            )
    except PermissionError as error:
        raise UnusableError(f"{path}: {who.name} may not run it") from error
    except OSError as error:
        if error.errno in PROGRAM_AT_FAULT:
            raise UnusableError(f"{path}: {PROGRAM_AT_FAULT[error.errno]}") from error
        raise


@contextlib.contextmanager
def _standing_ready(data: bytes) -> Iterator[int]:
    """Yield the file of a program's standard input. One in memory needs nobody who feeds it as a pipe would."""
    if not data:
        yield subprocess.DEVNULL
        return
    file = os.memfd_create("input", os.MFD_CLOEXEC)
    try:
        with open(file, "wb", closefd=False) as writer:
            writer.write(data)
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
