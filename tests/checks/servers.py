"""Servers on loopback for the engine's tests, well and hostile ones, and a check whose conversation a test writes."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from checks import Check, Conversation, Target, Tls

Run = Callable[[Callable[[Any], Awaitable[None]]], None]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, address: str = "127.0.0.1") -> AsyncIterator[Target]:
    """Serve each connection with `handler`; resets by the engine are what it is used to."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, address, 0, backlog=4096)
    try:
        yield Target(address, server.sockets[0].getsockname()[1])
    finally:
        await _some_turns()  # what was accepted just now gets its task: a closed server would leave it open
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _some_turns()  # transports close on the loop's next turn


async def _some_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@contextmanager
def deaf(address: str = "127.0.0.1") -> Iterator[Target]:
    """Listen without accepting, with the queue full: what connects now gets no answer at all."""
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind((address, 0))
        listener.listen(0)
        filler.connect(listener.getsockname())
        yield Target(*listener.getsockname())


@contextmanager
def closed_port(address: str = "127.0.0.1") -> Iterator[Target]:
    """Hold a port on which nobody listens."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as holder:
        holder.bind((address, 0))
        yield Target(address, holder.getsockname()[1])


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    await asyncio.Event().wait()


async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well")
    await writer.drain()
    await reader.read()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(bytes(65536))
        await writer.drain()


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await writer.drain()
    reset(writer)


@dataclass(frozen=True, slots=True)
class Scripted(Check):
    """A check whose conversation the test wrote."""

    talk: Callable[[Target], Conversation]
    tls: Tls | None = None
    type = "scripted"

    def converse(self, target: Target) -> Conversation:
        return self.talk(target)


def raising_at_once(target: Target) -> Conversation:
    raise LookupError("no such thing")
