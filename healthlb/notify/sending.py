"""What an outbox and a way out say to each other."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from healthlb.notify.message import Message

InThread = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Does work that blocks in a thread, and gives its answer."""


class UndeliveredError(Exception):
    """A message did not get through and is worth another try, after `wait` seconds where the receiver said so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class RefusedError(Exception):
    """The receiver will never take this message."""


class Sender(Protocol):
    """One way out. Cancelling `send` ends a try, at once."""

    async def send(self, message: Message) -> None:
        """Deliver a message, or raise UndeliveredError or RefusedError, whose texts hold no secret."""
        ...

    def close(self) -> None:
        """Let go of what is held between messages."""
        ...
