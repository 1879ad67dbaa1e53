"""TLS: what a certificate, a handshake and a server's refusal become in an operator's words."""

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from checks import Target, Tls
from checks.engine.tls import TlsStream, make_context
from checks.engine.words import tls_broken
from checks.http import Http, Https
from checks.tcp import Tcp
from tests.checks.authority import Authority

Run = Callable[[Callable[[Any], Awaitable[None]]], None]
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def self_signed(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "web.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("web.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "self-signed.pem"
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@asynccontextmanager
async def serving(context: ssl.SSLContext | None, reply: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> AsyncIterator[Target]:
    """Answer each request with `reply` and close."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            await writer.drain()
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # handshakes that fail on purpose
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield Target("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(5):
            await asyncio.sleep(0)


def one_probe(run: Run, context: ssl.SSLContext | None, check: Any, **options: Any) -> Any:
    results: list[Any] = []

    async def scenario(bench: Any) -> None:
        async with serving(context, **options) as target:
            results.append(await bench.probe(check, target))
        assert bench.faults == []

    run(scenario)
    return results[0]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(("issued", "asked"), [("web.example", "web.example"), ("*.example.org", "a.example.org")])
def test_a_valid_certificate_passes(
    run: Run, authority: Authority, version: ssl.TLSVersion, issued: str, asked: str
) -> None:
    context = authority.server(issued)
    context.maximum_version = version
    result = one_probe(run, context, Https(tls=Tls(ca_file=authority.ca_file, server_name=asked)))
    assert (result.passed, result.reason) == (True, "200 OK")
    assert result.evidence.certificate.startswith(f"{issued}, valid until ")


def test_without_a_server_name_the_address_is_verified_and_no_name_is_asked_for(run: Run, authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.server("127.0.0.1")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    result = one_probe(run, context, Https(tls=Tls(ca_file=authority.ca_file)))
    assert (result.passed, asked) == (True, [None])


def test_the_name_in_host_is_asked_for_and_verified(run: Run, authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.server("web.example")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    result = one_probe(run, context, Https(host="web.example:8443", tls=Tls(ca_file=authority.ca_file)))
    assert (result.passed, asked) == (True, ["web.example"])


def test_a_tcp_check_may_ask_for_tls(run: Run, authority: Authority) -> None:
    check = Tcp(tls=Tls(ca_file=authority.ca_file, server_name="web.example"))
    result = one_probe(run, authority.server("web.example"), check)
    assert (result.passed, result.reason) == (True, "connected over TLS")


def faulty(authority: Authority, case: str) -> ssl.SSLContext:
    match case:
        case "expired":
            return authority.server("web.example", not_before=NOW - 2 * DAY, not_after=NOW - DAY)
        case "early":
            return authority.server("web.example", not_before=NOW + DAY, not_after=NOW + 2 * DAY)
        case "other":
            return authority.server("other.example")
        case "many":
            return authority.server("a.example", "b.example", "c.example", "d.example", "e.example")
        case "stranger":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trustme.CA().issue_cert("web.example").configure_cert(context)
            return context
    return self_signed(authority.directory)


FAULTS = [
    ("expired", "certificate expired"),
    ("early", "certificate is not valid yet"),
    ("other", "certificate is for other.example, not web.example"),
    ("many", "certificate is for a.example, b.example, c.example and 2 more, not web.example"),
    ("stranger", "certificate is from an unknown authority"),
    ("self-signed", "self-signed certificate"),
]


@pytest.mark.parametrize(("case", "reason"), FAULTS)
def test_a_wrong_certificate_fails_and_says_what_is_wrong(
    run: Run, authority: Authority, case: str, reason: str
) -> None:
    check = Https(tls=Tls(ca_file=authority.ca_file, server_name="web.example"))
    result = one_probe(run, faulty(authority, case), check)
    assert (result.passed, result.sent, result.reason) == (False, True, reason)
    assert result.evidence.sent == b""


@pytest.mark.parametrize("case", [case for case, _ in FAULTS])
def test_a_wrong_certificate_passes_where_verification_is_off(run: Run, authority: Authority, case: str) -> None:
    result = one_probe(run, faulty(authority, case), Https(tls=Tls(verify=False, server_name="web.example")))
    assert (result.passed, result.reason) == (True, "200 OK")
    assert result.evidence.certificate.startswith("not verified, sha256 ")


REFUSED_WITHOUT_CERTIFICATE = {
    ssl.TLSVersion.TLSv1_2: "the server refused the handshake",
    ssl.TLSVersion.TLSv1_3: "the server demands a client certificate",
}


def answer_one(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Answer one request as a blocking server does, which sends its alert (asyncio's loses it)."""
    raw, _ = listener.accept()
    try:
        with context.wrap_socket(raw, server_side=True) as connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    except OSError:
        raw.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_demands_a_client_certificate_gets_it_or_says_so(
    run: Run, authority: Authority, version: ssl.TLSVersion
) -> None:
    context = authority.server("web.example")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca_file)
    context.maximum_version = version
    bare = Tls(ca_file=authority.ca_file, server_name="web.example")
    presenting = replace(bare, certificate_file=authority.client_file())

    async def scenario(bench: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            target = Target(*listener.getsockname())
            for tls, passed, reason in [
                (presenting, True, "200 OK"),
                (bare, False, REFUSED_WITHOUT_CERTIFICATE[version]),
            ]:
                answering = asyncio.create_task(asyncio.to_thread(answer_one, listener, context))
                result = await bench.probe(Https(tls=tls), target)
                await answering
                assert (result.passed, result.sent, result.reason) == (passed, True, reason)

    run(scenario)


def test_the_offered_protocol_must_be_agreed_to(run: Run, authority: Authority) -> None:
    check = Https(tls=Tls(ca_file=authority.ca_file, server_name="web.example", alpn=("http/1.1",)))
    deaf = authority.server("web.example")
    result = one_probe(run, deaf, check)
    assert result.reason == "the server agreed to none of the offered protocols (http/1.1)"
    speaking = authority.server("web.example")
    speaking.set_alpn_protocols(["h2", "http/1.1"])
    assert one_probe(run, speaking, check).passed


def test_a_server_without_tls_is_told_from_a_broken_one(run: Run, authority: Authority) -> None:
    async def scenario(bench: Any) -> None:
        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        target = Target("127.0.0.1", server.sockets[0].getsockname()[1])
        result = await bench.probe(Https(tls=Tls(ca_file=authority.ca_file)), target)
        server.close()
        assert (result.passed, result.reason) == (False, "the server does not speak TLS")

    run(scenario)


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("close", "connection closed in the TLS handshake"),
        ("reset", "connection reset in the TLS handshake"),
        ("silence", "timed out after 200ms in the TLS handshake"),
    ],
)
def test_a_handshake_that_is_not_answered(run: Run, authority: Authority, ending: str, reason: str) -> None:
    async def scenario(bench: Any) -> None:
        over = asyncio.Event()

        async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1 if ending == "reset" else 65536)
            if ending == "reset":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif ending == "silence":
                await over.wait()
            writer.transport.abort()

        server = await asyncio.start_server(end, "127.0.0.1", 0)
        target = Target("127.0.0.1", server.sockets[0].getsockname()[1])
        seconds = 0.2 if ending == "silence" else 20
        result = await bench.probe(Https(tls=Tls(ca_file=authority.ca_file)), target, seconds)
        over.set()
        server.close()
        await asyncio.sleep(0)
        assert (result.passed, result.sent, result.reason) == (False, True, reason)

    run(scenario)


def test_a_long_reply_comes_through_tls_whole(run: Run, authority: Authority) -> None:
    check = Https(expect="well", body_limit=1 << 22, tls=Tls(ca_file=authority.ca_file, server_name="web.example"))
    body = b"x" * 3_000_000 + b"well"
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert one_probe(run, authority.server("web.example"), check, reply=reply).passed


def test_a_plain_check_of_a_tls_server_fails(run: Run, authority: Authority) -> None:
    assert not one_probe(run, authority.server("web.example"), Http()).passed


@given(st.lists(st.binary(max_size=300)))
def test_whatever_answers_the_handshake_is_a_tls_fault_at_worst(pieces: list[bytes]) -> None:
    tls = Tls(verify=False)
    stream = TlsStream(make_context(tls), tls, "127.0.0.1")
    for number, piece in enumerate(pieces):
        stream.feed(piece, ended=number == len(pieces) - 1)
        try:
            done = stream.handshake()
        except ssl.SSLError as error:
            broken = error
            break
        assert not done
    else:
        return
    assert tls_broken(broken).isprintable()


def test_before_the_handshake_there_is_no_certificate_to_describe() -> None:
    tls = Tls(verify=False)
    assert TlsStream(make_context(tls), tls, "127.0.0.1").describe() == ""


def test_a_name_in_another_script_is_asked_for_in_its_ascii_form(run: Run, authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.server("bücher.example")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    tls = Tls(ca_file=authority.ca_file, server_name="bücher.example")
    result = one_probe(run, context, Https(tls=tls))
    assert (result.passed, result.reason, asked) == (True, "200 OK", ["xn--bcher-kva.example"])


def test_a_dot_at_the_names_end_is_not_sent_to_the_server(run: Run, authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.server("web.example")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    result = one_probe(run, context, Https(host="web.example.", tls=Tls(ca_file=authority.ca_file)))
    assert (result.passed, result.reason, asked) == (True, "200 OK", ["web.example"])


def test_a_fault_without_words_of_its_own_keeps_openssls() -> None:
    assert tls_broken(ssl.SSLError(1, "x")) == "TLS error: unknown error"
    nameless = ssl.SSLError(1, "[SSL] tlsv1 alert no application protocol (_ssl.c:1006)")
    assert tls_broken(nameless) == "the server agreed to none of the offered protocols"
    odd = ssl.SSLCertVerificationError()
    odd.verify_code, odd.verify_message = 67, "CA certificate key too weak"
    assert tls_broken(odd) == "certificate not accepted: CA certificate key too weak"
