"""`fifo`: lines are written to a named pipe as keepalived's lvs_notify_fifo does, without ever waiting for its reader.

The pipe stays open between messages, or its reader would see an end after each (fifo(7)).
"""

import errno
import os
import select
import stat
import threading
from contextlib import suppress

from healthlb.model.notifiers import Fifo
from healthlb.notify.files import said
from healthlb.notify.keepalived import lines
from healthlb.notify.message import Message
from healthlb.notify.sending import InThread, RefusedError, UndeliveredError

ATOMIC = select.PIPE_BUF
"""Bytes that are written whole or not at all (pipe(7)): no reader sees a line of somebody else's within ours."""


class FifoSender:
    """Writes messages. One that the pipe took half of goes on with the other half at the next try."""

    def __init__(self, settings: Fifo, in_thread: InThread) -> None:
        self._path = settings.path
        self._in_thread = in_thread
        self._file = -1
        self._lock = threading.Lock()
        self._closed = False
        self._message: Message | None = None
        self._left: list[bytes] = []

    async def send(self, message: Message) -> None:
        """Write a message's lines, as `Sender` says; of a message without any, nothing."""
        await self._in_thread(lambda: self._send(message))

    def close(self) -> None:
        """Let go of the pipe, or have the thread that is at it do so."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._lock.release()

    def _send(self, message: Message) -> None:
        with self._lock:
            try:
                if not self._closed:
                    self._go_on(message)
            finally:
                if self._closed:
                    self._let_go()

    def _go_on(self, message: Message) -> None:
        if message is not self._message:
            self._message, self._left = message, _chunks(message)
        try:
            while self._left:
                self._write(self._left[0])
                del self._left[0]
        except BlockingIOError as error:
            raise UndeliveredError(f"{self._path} is full: nobody reads it fast enough") from error
        except OSError as error:
            raise UndeliveredError(f"{self._path}: {said(error)}") from error
        self._message = None

    def _write(self, chunk: bytes) -> None:
        if self._file >= 0:
            try:
                os.write(self._file, chunk)
            except BrokenPipeError:  # its reader has gone: another one may be there, or at another pipe of that name
                self._let_go()
            else:
                return
        self._open()
        os.write(self._file, chunk)

    def _open(self) -> None:
        with suppress(FileExistsError):
            os.mkfifo(self._path, 0o600)
        self._refuse_unless_fifo(os.stat(self._path).st_mode)  # noqa: PTH116  not opened, were it a device
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise UndeliveredError(f"{self._path}: nobody reads it") from error
            raise
        self._refuse_unless_fifo(os.fstat(self._file).st_mode)

    def _refuse_unless_fifo(self, mode: int) -> None:
        if not stat.S_ISFIFO(mode):
            self._let_go()
            raise RefusedError(f"{self._path} is no FIFO")

    def _let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _chunks(message: Message) -> list[bytes]:
    """Return a message's lines in pieces of whole lines that are written at once."""
    chunks = [b""]
    for line in lines(message.events):
        data = line.encode()
        if len(chunks[-1]) + len(data) > ATOMIC:
            chunks.append(b"")
        chunks[-1] += data
    return [chunk for chunk in chunks if chunk]
