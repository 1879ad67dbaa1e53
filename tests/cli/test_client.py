"""Commands over HTTP: what is sent, what proves who asks, and whom the answer is taken from."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from healthlb.cli.client import UnreachableError, Way, WrongUrlError, ask, fetch, stream
from tests.cli.stand_in import Asked, StandIn, standing_in


def echo(asked: Asked) -> tuple[int, object]:
    return 200, {"method": asked.method, "path": asked.path, "body": asked.body, "headers": asked.headers}


@pytest.fixture
def on_tcp() -> Iterator[StandIn]:
    with standing_in(echo) as server:
        yield server


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_command_carries_its_method_path_and_body(method: str, tmp_path: Path) -> None:
    with standing_in(echo, tmp_path / "admin.sock") as server:
        answer = ask(Way(server.url), method, "/api/v1/x", {"why": "größer"})
    assert (answer.value["method"], answer.value["path"]) == (method, "/api/v1/x")
    assert answer.value["body"] == {"why": "größer"}
    assert answer.value["headers"]["content-type"] == "application/json"
    assert "authorization" not in answer.value["headers"]


def test_a_refusal_is_an_answer_and_not_a_failure(tmp_path: Path) -> None:
    with standing_in(lambda _: (409, {"error": "It cannot be."}), tmp_path / "admin.sock") as server:
        answer = ask(Way(server.url), "POST", "/", {})
    assert (answer.status, answer.error) == (409, "It cannot be.")


def test_an_answer_without_json_is_no_directors(tmp_path: Path) -> None:
    with (
        standing_in(lambda _: (502, "<html>"), tmp_path / "admin.sock") as server,
        pytest.raises(UnreachableError, match="no healthlb director"),
    ):
        ask(Way(server.url), "POST", "/", {})


def test_a_command_that_was_sent_and_not_answered_may_have_been_carried_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnreachableError, match="may have done what it was asked for"):
            ask(Way(url), "POST", "/", {}, deadline=2.0)
        with pytest.raises(UnreachableError) as told:
            ask(Way(url), "GET", "/", deadline=0.2)
    assert "may have" not in str(told.value)


def test_one_who_is_turned_away_before_he_is_heard_is_told_why(tmp_path: Path) -> None:
    path = str(tmp_path / "admin.sock")
    body = b'{"error": "There are too many connections; try again later."}'
    with socket.socket(socket.AF_UNIX) as full:
        full.bind(path)
        full.listen()

        def turn_away() -> None:
            with full.accept()[0] as conversation:
                conversation.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

        turning = threading.Thread(target=turn_away)
        turning.start()
        # More than fits between the two, so that it is not sent before the other end has gone.
        answer = ask(Way(f"unix:{path}"), "POST", "/", {"why": "x" * 4_000_000})
        turning.join()
    assert (answer.status, answer.error) == (503, "There are too many connections; try again later.")


def test_a_command_that_was_never_sent_is_not_said_to_have_been_carried_out(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as told:
        ask(Way(f"unix:{tmp_path}/none.sock"), "POST", "/", {})
    assert "may have" not in str(told.value)


def test_the_token_is_sent_as_it_is_in_its_file(on_tcp: StandIn) -> None:
    answer = ask(Way(on_tcp.url, "s3cret"), "POST", "/", {})
    assert answer.value["headers"]["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("host", ["192.0.2.1", "lb1.example", "[2001:db8::1]"])
def test_no_token_goes_over_a_network_in_the_clear(host: str) -> None:
    with pytest.raises(WrongUrlError, match=r"in the clear; write https://") as told:
        ask(Way(f"http://{host}:9481", "s3cret"), "POST", "/", {})
    assert "s3cret" not in str(told.value)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_a_director_whose_certificate_the_named_authority_signed_is_asked_over_tls(
    authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with standing_in(echo, context=tls_of(authority.issue_cert("127.0.0.1"))) as server:
        assert json.loads(fetch(Way(server.url, ca_file=str(tmp_path / "ca.pem")), "/"))["method"] == "GET"
        with pytest.raises(UnreachableError, match=r"is not trusted: .*; --ca-file names who signed it"):
            fetch(Way(server.url), "/")


def test_a_certificate_for_another_name_is_not_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with (
        standing_in(echo, context=tls_of(authority.issue_cert("lb2.example"))) as server,
        pytest.raises(UnreachableError, match="is not trusted: IP address mismatch"),
    ):
        fetch(Way(server.url, ca_file=str(tmp_path / "ca.pem")), "/")


def test_the_certificate_of_the_directors_own_file_is_trusted_and_its_issuers_others_are_not(
    authority: trustme.CA, tmp_path: Path
) -> None:
    own, other = authority.issue_cert("lb1.example"), authority.issue_cert("lb1.example")
    file = tmp_path / "certificate.pem"
    file.write_bytes(b"".join(each.bytes() for each in (*own.cert_chain_pems, authority.cert_pem)))
    with standing_in(echo, context=tls_of(own)) as server:
        assert ask(Way(server.url, certificate_file=str(file)), "POST", "/", {}).status == 200
    with standing_in(echo, context=tls_of(other)) as server, pytest.raises(UnreachableError, match="is not trusted"):
        ask(Way(server.url, certificate_file=str(file)), "POST", "/", {})


@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_certificates_that_cannot_be_read_are_wrong_use(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    for way in (
        Way("https://127.0.0.1:9", ca_file=str(file)),
        Way("https://127.0.0.1:9", certificate_file=str(file)),
    ):
        with pytest.raises(WrongUrlError, match=r"ca\.pem cannot be used: "):
            fetch(way, "/")


def test_a_stream_gives_its_lines_and_its_end_is_told(on_tcp: StandIn) -> None:
    on_tcp.answering = lambda _: (200, iter([": hello\nid: 1\n", "data: {}\n\n"]))
    with stream(Way(on_tcp.url), "/api/v1/events", {"Accept": "text/event-stream"}, 60.0) as lines:
        assert [next(lines) for _ in range(4)] == [": hello", "id: 1", "data: {}", ""]
        with pytest.raises(UnreachableError, match="ended the stream"):
            next(lines)
    assert on_tcp.asked[0].headers["accept"] == "text/event-stream"


def test_a_stream_that_is_refused_is_told_in_the_directors_words(on_tcp: StandIn) -> None:
    on_tcp.answering = lambda _: (404, {"error": "There is no journal."})
    with (
        pytest.raises(UnreachableError, match=r"answered 404: There is no journal\."),
        stream(Way(on_tcp.url), "/", {}, 60.0),
    ):
        pass


def test_a_stream_that_falls_silent_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnreachableError, match="did not answer within"), stream(Way(url), "/", {}, 0.1, 0.2):
            pass
