"""Every check that talks, against servers that do what none should: a failure in words, in time, and nothing left over.

A check is asked what it must be answered to pass: one that a connection alone satisfies is given something to expect.
"""

import asyncio
import datetime as dt
import os
import random
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from checks import Check, ProbeResult, Target, Tls
from checks.registry import types
from tests.checks.authority import Authority
from tests.checks.servers import Handler, Run, closed_port, reset, serving
from tests.checks.test_engine_datagrams import Answer, answering

EXPECTING: dict[str, dict[str, Any]] = {"tcp": {"expect": "well"}, "udp": {"expect": "well"}}
DAY = dt.timedelta(days=1)
SECONDS = 30.0
"""What a probe has, on a clock that the test turns when the server has had its say."""
SAYS = 8
"""Turns of 5 ms after which the clock is turned, unless the server floods: that must be ended before."""
TURNS = 3000
MOST_MEMORY = 24 << 20
"""What a probe and the server beside it in this process may hold at once."""
OPINIONATED = frozenset({"agent"})
"""Types that see no failure in a server that cannot be talked to: they leave it as it was."""


def needed(kind: type[Check], folder: Path) -> dict[str, Any]:
    """Return options with which the check wants an answer."""
    given = dict(EXPECTING.get(kind.type, {}))
    if any(field.name == "secret_file" for field in fields(kind)):  # type: ignore[arg-type]
        secret = folder / "secret"
        secret.write_text("s3cret\n")
        given["secret_file"] = str(secret)
    return given


def over_tls(kind: type[Check], folder: Path, settings: Tls) -> Check:
    """Return a check that talks over TLS."""
    given = needed(kind, folder)
    if any(field.name == "transport" for field in fields(kind)):  # type: ignore[arg-type]
        given["transport"] = "tcp"
    return kind(**given, tls=settings)  # type: ignore[call-arg]


def conversations() -> Iterator[tuple[str, str]]:
    """Yield (type, carrier) of every check that talks."""
    with_file = {"radius": {"secret_file": "/nonexistent"}}
    for name, kind in types().items():
        try:
            yield name, kind(**with_file.get(name, {})).carrier
        except TypeError:
            continue  # a script, a file: nothing that talks has an option that must be given


STREAMS = sorted(name for name, carrier in conversations() if carrier == "stream")
DATAGRAMS = sorted(name for name, carrier in conversations() if carrier == "datagram")
OVER_TLS = sorted(
    name
    for name in STREAMS + DATAGRAMS
    if any(field.name == "tls" for field in fields(types()[name]))  # type: ignore[arg-type]
)


async def closing_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def saying_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass
    await asyncio.Event().wait()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in random.Random(7).randbytes(10_000):
        writer.write(bytes([byte & 0x7F]))
        await writer.drain()
        await asyncio.sleep(0.005)


async def talking_garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    chance = random.Random(7)
    for _ in range(20):
        writer.write(chance.randbytes(512))
    await reader.read()
    await asyncio.Event().wait()


def flooding_with(piece: bytes) -> Handler:
    async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        block = piece * (65536 // len(piece))
        for _ in range((100 << 20) // len(block)):
            writer.write(block)
            await writer.drain()
        await asyncio.Event().wait()

    return flooding


async def resetting_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"2")
    await writer.drain()
    reset(writer)


async def half_closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write_eof()
    await reader.read()
    await asyncio.Event().wait()


HOSTILE: dict[str, Handler] = {
    "closes at once": closing_at_once,
    "says nothing": saying_nothing,
    "drips": dripping,
    "talks garbage": talking_garbage,
    "floods with zeros": flooding_with(b"\0"),
    "floods with lines": flooding_with(b"220-and more\r\n"),
    "floods with one line": flooding_with(b"2"),
    "resets in the middle": resetting_in_the_middle,
    "half-closes": half_closing,
}


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def played(bench: Any, check: Check, target: Target, says: int) -> ProbeResult:
    """Let the server have its say; then turn the clock to the deadline."""
    ended = asyncio.ensure_future(bench.probe(check, target, SECONDS))
    for turn in range(TURNS):
        if ended.done():
            break
        if turn == says:
            bench.hold_the_loop(SECONDS)
        await asyncio.sleep(0.005)
    assert ended.done(), "the deadline was not kept"
    result: ProbeResult = ended.result()
    return result


def patience(server: str) -> int:
    return TURNS - 1000 if server.startswith("floods") else SAYS


def judge(bench: Any, check: Check, result: ProbeResult, before: int, peak: int) -> None:
    assert (result.sent, bench.faults) == (True, []), result.reason
    assert not result.passed or check.type in OPINIONATED
    assert result.reason
    assert result.reason.isprintable()
    assert "fault in the check itself" not in result.reason
    assert bench.engine.in_flight == 0
    assert bench.conversations._deadlines.earliest() is None
    assert peak < MOST_MEMORY
    bench.engine.close()
    assert descriptors() <= before


def face(run: Run, check: Check, server: Callable[[], Any], says: int) -> None:
    async def scenario(bench: Any) -> None:
        assert check.prepare() is None
        async with server() as target:
            before = descriptors()
            tracemalloc.start()
            try:
                result = await played(bench, check, target, says)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            # The server's own end of it may take a turn or two more.
            for _ in range(5):
                await asyncio.sleep(0)
        judge(bench, check, result, before, peak)

    run(scenario)


@pytest.mark.usefixtures("never_late")
@pytest.mark.parametrize("server", HOSTILE)
@pytest.mark.parametrize("name", STREAMS)
def test_a_hostile_server_is_a_failure_in_words_and_in_time(run: Run, tmp_path: Path, name: str, server: str) -> None:
    kind = types()[name]
    face(run, kind(**needed(kind, tmp_path)), lambda: serving(HOSTILE[server]), patience(server))


@pytest.mark.usefixtures("never_late")
@pytest.mark.parametrize("server", HOSTILE)
@pytest.mark.parametrize("name", OVER_TLS)
def test_a_hostile_server_where_tls_should_be_is_one_too(run: Run, tmp_path: Path, name: str, server: str) -> None:
    kind = types()[name]
    face(run, over_tls(kind, tmp_path, Tls(verify=False)), lambda: serving(HOSTILE[server]), patience(server))


def context(authority: Authority, *names: str, **options: Any) -> Any:
    made = authority.server(*names, **options)
    made.set_alpn_protocols(["h2", "http/1.1", "postgresql"])
    return made


@pytest.mark.usefixtures("never_late")
@pytest.mark.parametrize("name", OVER_TLS)
def test_a_wrong_or_expired_certificate_is_a_failure_that_says_so(
    run: Run, tmp_path: Path, authority: Authority, name: str
) -> None:
    kind = types()[name]
    check = over_tls(kind, tmp_path, Tls(ca_file=authority.ca_file, server_name="web.example"))
    expired = dt.datetime.now(dt.UTC) - DAY
    cases = [
        (context(authority, "other.example"), "certificate is for other.example, not web.example"),
        (context(authority, "web.example", not_after=expired), "certificate expired"),
    ]

    async def scenario(bench: Any) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the servers' handshakes fail
        assert check.prepare() is None
        for made, reason in cases:
            server = await asyncio.start_server(lambda _r, writer: writer.close(), "127.0.0.1", 0, ssl=made)
            async with server:
                target = Target(*server.sockets[0].getsockname())
                result = await bench.probe(check, target)
                assert result.reason.startswith(reason)
                assert not result.passed
                for _ in range(5):
                    await asyncio.sleep(0)
        assert bench.faults == []

    run(scenario)


def saying(*datagrams: bytes, times: int = 1) -> Answer:
    def answer(transport: asyncio.DatagramTransport, _data: bytes, peer: Any) -> None:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as own:
            for _ in range(times):
                for each in datagrams:
                    try:
                        own.sendto(each, peer)
                    except OSError:
                        return

    return answer


TALK: dict[str, Answer] = {
    "says nothing": saying(),
    "says less than nothing": saying(b"", times=3),
    "talks garbage": saying(*(random.Random(each).randbytes(200) for each in range(20))),
    "talks long garbage": saying(random.Random(7).randbytes(65000), times=20),
    "drips": saying(*(bytes([byte]) for byte in b"well, I never")),
    "floods": saying(b"\0" * 32768, times=3200),
}


@pytest.mark.usefixtures("never_late")
@pytest.mark.parametrize("server", TALK)
@pytest.mark.parametrize("name", DATAGRAMS)
def test_a_hostile_server_over_udp_is_a_failure_in_words_and_in_time(
    run: Run, tmp_path: Path, name: str, server: str
) -> None:
    kind = types()[name]
    face(run, kind(**needed(kind, tmp_path)), lambda: answering(TALK[server]), SAYS)


@pytest.mark.parametrize("name", STREAMS)
def test_a_refused_connection_is_a_failure_at_once(run: Run, tmp_path: Path, name: str) -> None:
    kind = types()[name]
    check = kind(**needed(kind, tmp_path))

    async def scenario(bench: Any) -> None:
        with closed_port() as target:
            result = await bench.probe(check, target)
        assert not result.passed or check.type in OPINIONATED
        assert "connection refused" in result.reason

    run(scenario)


@pytest.mark.parametrize("name", DATAGRAMS)
def test_a_closed_udp_port_is_a_failure_at_once(run: Run, tmp_path: Path, name: str) -> None:
    kind = types()[name]
    check = kind(**needed(kind, tmp_path))

    async def scenario(bench: Any) -> None:
        with closed_port() as target:  # held over TCP; over UDP nothing has it
            result = await bench.probe(check, target)
        assert not result.passed
        assert "port unreachable" in result.reason

    run(scenario)
