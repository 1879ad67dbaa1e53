"""What a step may ask for beside bytes: patience, a new connection, TLS on the way, the certificate, a PROXY header."""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

from checks import (
    SILENCE,
    Conversation,
    Feedback,
    ProxyProtocol,
    Step,
    Target,
    Tls,
    UnusableError,
    Verdict,
    Way,
)
from checks.engine.proxying import proxy_header
from tests.checks.servers import Handler, Run, Scripted, closed_port, serving, silent


@dataclass(frozen=True, slots=True)
class Fronted(Scripted):
    """A scripted check behind a proxy of this version."""

    version: ProxyProtocol | None = None

    @property
    def proxy_protocol(self) -> ProxyProtocol | None:
        return self.version


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mail.example").configure_cert(made)
    return made


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Any) -> Tls:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return Tls(ca_file=str(path), server_name="mail.example")


def patient(target: Target) -> Conversation:
    data = yield Step(b"anyone?", patience=0.05)
    if data is not SILENCE:
        return Verdict(False, f"heard {data!r}")
    data = yield Step(b"now?")
    return Verdict(data == b"yes", f"then heard {data!r}")


def test_silence_is_handed_over_when_patience_ends_and_the_conversation_goes_on(run: Run) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"now?")
        writer.write(b"yes")
        await reader.read()

    async def scenario(bench: Any) -> None:
        async with serving(slow) as target:
            result = await bench.probe(Scripted(patient), target)
        assert (result.passed, result.reason) == (True, "then heard b'yes'")
        assert bench.conversations._deadlines.earliest() is None

    run(scenario)


def test_a_reply_in_time_is_no_silence(run: Run) -> None:
    async def quick(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"anyone?")
        writer.write(b"me")
        await reader.read()

    def asking(target: Target) -> Conversation:
        data = yield Step(b"anyone?", patience=15)
        return Verdict(True, f"heard {data!r}")

    async def scenario(bench: Any) -> None:
        async with serving(quick) as target:
            assert (await bench.probe(Scripted(asking), target)).reason == "heard b'me'"
        assert bench.conversations._deadlines.earliest() is None

    run(scenario)


@pytest.mark.usefixtures("never_late")
def test_the_deadline_stands_however_much_patience_a_step_has(run: Run) -> None:
    def stubborn(target: Target) -> Conversation:
        while True:
            yield Step(patience=0.01)

    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            for talk in (stubborn, lambda _: (yield Step(patience=60))):
                result = await bench.probe(Scripted(talk), target, 0.1)
                assert result.reason == "timed out after 100ms waiting for the reply"

    run(scenario)


def test_a_silence_that_the_late_loop_made_itself_is_no_silence(run: Run) -> None:
    def asking(target: Target) -> Conversation:
        first = yield Step(b"1", at_least=2, patience=0.5)
        return Verdict(first is not SILENCE, f"heard {first!r}")

    async def halting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"a")
        await writer.drain()
        bench_of_this.hold_the_loop(2)
        await asyncio.sleep(0)
        writer.write(b"b")
        await reader.read()

    bench_of_this: Any = None

    async def scenario(bench: Any) -> None:
        nonlocal bench_of_this
        bench_of_this = bench
        async with serving(halting) as target:
            assert (await bench.probe(Scripted(asking), target)).reason == "heard b'ab'"

    run(scenario)


def test_a_probe_whose_silence_nobody_could_hear_in_time_is_judged_by_its_conversation(run: Run) -> None:
    def quiet_is_well(target: Target) -> Conversation:
        data = yield Step(b"?", patience=0.2)
        return Verdict(data is SILENCE, "quiet")

    async def scenario(bench: Any) -> None:
        asked = asyncio.Event()

        async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(1)
            asked.set()
            await reader.read()

        async with serving(listening) as target:
            ended = asyncio.ensure_future(bench.probe(Scripted(quiet_is_well), target, 5))
            await asked.wait()
            bench.hold_the_loop(60)
            assert (await ended).reason == "quiet"

    run(scenario)


def test_a_new_connection_is_to_the_same_target_and_forgets_the_former(run: Run) -> None:
    connections: list[bytes] = []

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(await reader.readexactly(3))
        writer.write(b"number %d" % len(connections))
        if len(connections) == 1:
            writer.write_eof()
        await reader.read()

    def twice(target: Target) -> Conversation:
        first = yield Step(b"one", at_least=8)
        rest = yield Step()
        second = yield Step(b"two", at_least=8, reconnect=True)
        return Verdict((first, rest, second) == (b"number 1", b"", b"number 2"), "twice")

    async def scenario(bench: Any) -> None:
        async with serving(counting) as target:
            result = await bench.probe(Scripted(twice), target)
        assert (result.passed, connections) == (True, [b"one", b"two"])
        assert bench.engine.in_flight == 0
        assert bench.conversations._deadlines.earliest() is None

    run(scenario)


def test_a_new_connection_that_is_refused_or_times_out_fails(run: Run) -> None:
    def twice(target: Target) -> Conversation:
        yield Step(b"one")
        server.close()
        yield Step(b"two", reconnect=True)
        raise AssertionError

    async def scenario(bench: Any) -> None:
        nonlocal server
        server = socket.create_server(("127.0.0.1", 0))
        server.setblocking(False)
        loop = asyncio.get_running_loop()
        ended = asyncio.ensure_future(bench.probe(Scripted(twice), Target(*server.getsockname())))
        accepted, _ = await loop.sock_accept(server)
        with accepted:
            accepted.sendall(b"hello")
            assert (await ended).reason == "connection refused"

    server: Any = None
    run(scenario)


@pytest.mark.usefixtures("never_late")
def test_new_connections_without_end_meet_the_deadline(run: Run) -> None:
    def restless(target: Target) -> Conversation:
        while True:
            yield Step(b"x", reconnect=True)

    async def echoing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(1))
        await reader.read()

    async def scenario(bench: Any) -> None:
        async with serving(echoing) as target:
            result = await bench.probe(Scripted(restless), target, 0.2)
        assert (result.passed, result.sent) == (False, True)
        assert result.reason.startswith("timed out after 200ms")

    run(scenario)


def starting_tls(context: ssl.SSLContext) -> Handler:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.readuntil(b"STARTTLS\r\n")
        writer.write(b"220 go ahead\r\n")
        await writer.drain()
        await writer.start_tls(context)
        line = await reader.readuntil(b"\r\n")
        writer.write(b"250 " + line)
        await reader.read()

    return serve


def secured(settings: Tls, *, certificates: list[bytes] | None = None) -> Scripted:
    def talk(target: Target) -> Conversation:
        yield Step(at_least=11)
        yield Step(b"STARTTLS\r\n", at_least=14)
        reply = yield Step(b"EHLO me\r\n", at_least=13, secure=settings)
        if certificates is not None:
            certificates.append((yield Step(certificate=True)))
        return Verdict(reply == b"250 EHLO me\r\n", f"in TLS: {reply!r}")

    return Scripted(talk)


def test_tls_begins_where_the_conversation_asks_for_it(run: Run, context: ssl.SSLContext, trusting: Tls) -> None:
    certificates: list[bytes] = []

    async def scenario(bench: Any) -> None:
        async with serving(starting_tls(context)) as target:
            result = await bench.probe(secured(trusting, certificates=certificates), target)
        assert (result.passed, bench.faults) == (True, [])
        assert result.evidence.certificate.startswith("mail.example, valid until ")
        assert result.evidence.sent == b"STARTTLS\r\nEHLO me\r\n"
        assert ssl.DER_cert_to_PEM_cert(certificates[0]).startswith("-----BEGIN CERTIFICATE-----")

    run(scenario)


def test_a_wrong_certificate_is_found_in_the_middle_too(run: Run, context: ssl.SSLContext, trusting: Tls) -> None:
    async def scenario(bench: Any) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's own handshake fails
        async with serving(starting_tls(context)) as target:
            wrong = Tls(ca_file=trusting.ca_file, server_name="shop.example")
            result = await bench.probe(secured(wrong), target)
            assert result.reason == "certificate is for mail.example, not shop.example"
            result = await bench.probe(secured(Tls(server_name="mail.example")), target)
            assert result.reason == "certificate is from an unknown authority"

    run(scenario)


def test_what_waits_unread_when_tls_begins_is_a_failure_with_its_own_sentence(run: Run) -> None:
    async def injecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"STARTTLS\r\n")
        writer.write(b"x" * 65536)
        await reader.read()

    def talk(target: Target) -> Conversation:
        yield Step(b"STARTTLS\r\n", at_least=1)
        yield Step(b"EHLO me\r\n", secure=Tls(verify=False))
        return Verdict(True, "fooled")

    async def scenario(bench: Any) -> None:
        async with serving(injecting) as target:
            result = await bench.probe(Scripted(talk), target)
        assert (result.passed, result.reason) == (False, "the server said more in clear after it had agreed to TLS")

    run(scenario)


def test_a_server_that_hangs_up_instead_of_tls_fails(run: Run) -> None:
    async def leaving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"STARTTLS\r\n")
        writer.write(b"go")
        writer.write_eof()
        await reader.read()

    def talk(target: Target) -> Conversation:
        yield Step(b"STARTTLS\r\n", at_least=2)
        yield Step(b"EHLO me\r\n", secure=Tls(verify=False))
        return Verdict(True, "fooled")

    async def scenario(bench: Any) -> None:
        async with serving(leaving) as target:
            result = await bench.probe(Scripted(talk), target)
        assert result.reason in {
            "the connection closed before TLS began",
            "connection closed in the TLS handshake",
            "connection reset in the TLS handshake",
        }

    run(scenario)


def test_tls_within_tls_is_the_checks_fault(run: Run, context: ssl.SSLContext, trusting: Tls) -> None:
    def talk(target: Target) -> Conversation:
        yield Step(secure=trusting)
        return Verdict(True, "done")

    async def scenario(bench: Any) -> None:
        async with serving(starting_tls(context)) as target:

            def twice(target: Target) -> Conversation:
                yield Step(at_least=11)
                yield Step(b"STARTTLS\r\n", at_least=14)
                yield Step(at_least=0, secure=trusting)
                yield Step(at_least=0, secure=trusting)
                return Verdict(True, "done")

            result = await bench.probe(Scripted(twice), target)
        assert result.reason.startswith("fault in the check itself: CheckFaultError")

    run(scenario)


def test_settings_that_cannot_be_used_in_the_middle_are_no_word_about_the_server(
    run: Run, context: ssl.SSLContext
) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(starting_tls(context)) as target:
            result = await bench.probe(secured(Tls(ca_file="/nonexistent.pem")), target)
        assert (result.passed, result.sent) == (False, False)
        assert result.reason.startswith("not sent: ca_file /nonexistent.pem")

    run(scenario)


def test_without_tls_there_is_no_certificate(run: Run) -> None:
    def talk(target: Target) -> Conversation:
        certificate = yield Step(certificate=True)
        return Verdict(True, repr(certificate))

    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            assert (await bench.probe(Scripted(talk), target)).reason == "b''"

    run(scenario)


def behind_a_proxy(server: socket.socket, context: ssl.SSLContext | None, seen: list[tuple[bytes, bytes]]) -> None:
    """Take two connections, each with its header, in a thread; note the header and what it must be."""
    for _ in range(2):
        connection, ours = server.accept()
        with connection:
            theirs = connection.getsockname()
            family = "TCP6" if ":" in ours[0] else "TCP4"
            wanted = f"PROXY {family} {ours[0]} {theirs[0]} {ours[1]} {theirs[1]}\r\n".encode()
            seen.append((connection.recv(len(wanted), socket.MSG_WAITALL), wanted))
            if context is None:
                connection.sendall(connection.recv(5, socket.MSG_WAITALL))
            else:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.sendall(secured.recv(5))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("over_tls", [False, True])
def test_the_proxy_header_goes_first_and_in_clear_on_every_connection(
    run: Run, context: ssl.SSLContext, trusting: Tls, address: str, over_tls: bool
) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def talk(target: Target) -> Conversation:
        yield Step(b"hello", at_least=5)
        reply = yield Step(b"again", at_least=5, reconnect=True)
        return Verdict(reply == b"again", repr(reply))

    async def scenario(bench: Any) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.create_server((address, 0), family=family) as server:
            serve = asyncio.to_thread(behind_a_proxy, server, context if over_tls else None, seen)
            serving_it = asyncio.ensure_future(serve)
            check = Fronted(talk, trusting if over_tls else None, "v1")
            result = await bench.probe(check, Target(address, server.getsockname()[1]))
            await serving_it
        assert (result.passed, result.reason, bench.faults) == (True, "b'again'", [])
        assert [header for header, _ in seen] == [wanted for _, wanted in seen]
        assert len(seen) == 2

    run(scenario)


def test_version_2_says_that_the_director_speaks_for_itself() -> None:
    header = proxy_header("v2", ("127.0.0.1", 1), ("127.0.0.2", 2))
    assert header == bytes.fromhex("0d0a0d0a000d0a515549540a20000000")
    assert proxy_header("v1", ("fe80::1%eth0", 1), ("fe80::2%eth0", 2)) == b"PROXY TCP6 fe80::1 fe80::2 1 2\r\n"


@dataclass(frozen=True, slots=True)
class Forgiving(Scripted):
    """A check for which a server that cannot be talked to is well enough."""

    def unanswered(self, target: Target, reason: str) -> Verdict | None:
        if reason == "connection refused":
            raise LookupError(reason)
        return Verdict(True, f"never mind: {reason}", "beware", Feedback(weight=3))


def waiting(target: Target) -> Conversation:
    yield Step(b"\r\n\r\n")
    return Verdict(False, "answered")


@pytest.mark.usefixtures("never_late")
def test_a_check_may_judge_a_server_that_could_not_be_talked_to_in_its_own_way(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            result = await bench.probe(Forgiving(waiting), target, 0.1)
        assert (result.passed, result.sent) == (True, True)
        assert result.reason == "never mind: timed out after 100ms waiting for the reply"
        assert (result.warning, result.feedback) == ("beware", Feedback(weight=3))

    run(scenario)


def test_a_check_that_raises_when_asked_is_reported(run: Run) -> None:
    async def scenario(bench: Any) -> None:
        with closed_port() as target:
            result = await bench.probe(Forgiving(waiting), target)
        assert result.reason == "fault in the check itself: LookupError: connection refused"
        assert len(bench.faults) == 1

    run(scenario)


def test_what_the_conversation_decided_or_could_not_do_is_not_asked_about(run: Run) -> None:
    def unusable(target: Target) -> Conversation:
        yield Step(at_least=0)
        raise UnusableError("password_file /x: no such file or directory")

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")
        await reader.read()

    async def scenario(bench: Any) -> None:
        async with serving(answering) as target:
            assert (await bench.probe(Forgiving(waiting), target)).reason == "answered"
            result = await bench.probe(Forgiving(unusable), target)
        assert (result.sent, result.reason) == (False, "not sent: password_file /x: no such file or directory")

    run(scenario)


def test_a_verdicts_warning_and_feedback_come_with_the_result(run: Run) -> None:
    verdict = Verdict(True, "well", "the certificate ends in 9 days", Feedback(weight=50, percent=True, admin="ready"))

    def talk(target: Target) -> Conversation:
        yield Step(at_least=0)
        return verdict

    async def scenario(bench: Any) -> None:
        async with serving(silent) as target:
            result = await bench.probe(Scripted(talk), target)
        assert (result.warning, result.feedback) == (verdict.warning, verdict.feedback)

    run(scenario)


def test_a_probe_goes_out_from_the_source_that_its_way_says(run: Run) -> None:
    peers: list[Any] = []

    async def noting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername"))
        writer.write(b"x")
        await reader.read()

    async def scenario(bench: Any) -> None:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            port = holder.getsockname()[1]
        async with serving(noting) as target:
            for way in (Way(source="127.4.5.6"), Way(source_port=port), Way(source="127.4.5.6", source_port=port)):
                assert (await bench.probe(Scripted(waiting), Target(target.address, target.port, way))).sent
        assert peers[0][0] == "127.4.5.6"
        assert peers[1:] == [("127.0.0.1", port), ("127.4.5.6", port)]

    run(scenario)
