"""`command`: a program is started for each message, which is its standard input. Exit status 0 is a delivery."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from healthlb.model.notifiers import Command
from healthlb.notify.keepalived import lines
from healthlb.notify.message import Message, as_json, plain
from healthlb.notify.sending import InThread, UndeliveredError

MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Exit:
    """How a program ended: its exit status, or the signal that killed it, and the first that it said of errors."""

    status: int
    signal: int = 0
    errors: bytes = b""


Run = Callable[[tuple[str, ...], str | None, bytes], Awaitable[Exit]]
"""Runs an argument list as a user with an input; killed when cancelled. Raises UndeliveredError if it cannot start."""


class CommandSender:
    """Starts a program for each message, one at a time."""

    def __init__(self, settings: Command, in_thread: InThread, run: Run) -> None:
        self._settings = settings
        self._in_thread = in_thread
        self._run = run

    async def send(self, message: Message) -> None:
        """Run the program, as `Sender` says. One that wants keepalived's lines is not started without any."""
        settings = self._settings
        data = await self._in_thread(lambda: _input(settings, message))
        if not data:
            return
        end = await self._run(settings.argv, settings.user, data)
        if end.signal:
            raise UndeliveredError(f"{settings.argv[0]}: killed by signal {end.signal}{_said(end.errors)}")
        if end.status:
            raise UndeliveredError(f"{settings.argv[0]}: exit status {end.status}{_said(end.errors)}")

    def close(self) -> None:
        """Hold nothing between messages."""


def _input(settings: Command, message: Message) -> bytes:
    if settings.format == "keepalived":
        return "".join(lines(message.events)).encode()
    return json.dumps(as_json(message)).encode() + b"\n"


def _said(errors: bytes) -> str:
    text = "; ".join(plain(line.strip()) for line in errors.decode("utf-8", "replace").splitlines() if line.strip())
    if not text:
        return ""
    return f": {text}" if len(text) <= MOST_SHOWN else f": {text[: MOST_SHOWN - 3]}..."
