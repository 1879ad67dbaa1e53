"""Everything that may answer at a URL, and everything that may not: each is one sentence and an exit status."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from healthlb.cli import client, reaching
from healthlb.cli.main import main
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint


def sentence_of(url: str, expected: int, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["status", f"--url={url}"]) == expected
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    return printed.err


@pytest.fixture
def answering() -> Iterator[Callable[[bytes, bytes, float], str]]:
    """Give a URL at which one connection gets these bytes, then more of them for ever at a pace."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    threads = []

    def start(first: bytes, drip: bytes = b"", pace: float = 0.01) -> str:
        def talk() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(first)
                try:
                    while drip and not ended.wait(pace):
                        connection.sendall(drip)
                except OSError:
                    return

        threads.append(threading.Thread(target=talk, daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    ended.set()
    listening.close()
    for thread in threads:
        thread.join(5)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "lb1",
        "127.0.0.1:9480",
        "https://127.0.0.1:9480/api",
        "https://root:secret@127.0.0.1:9480",
        "ftp://127.0.0.1/",
        "http://",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://127.0.0.1:9480/api",
        "http://[::1",
        "http://127.0.0.1:9480?x=1",
        "unix:",
    ],
)
def test_what_is_no_url_of_a_director_is_wrong_use(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    if url:
        assert "http://HOST:PORT or unix:/PATH" in sentence_of(url, 2, capsys)
    else:
        with pytest.raises(client.WrongUrlError):
            client.fetch(url, "/")


def test_a_port_where_nobody_listens_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sentence = sentence_of(f"http://127.0.0.1:{port}", 1, capsys)
    assert "connection refused" in sentence
    assert "healthlb run" in sentence


def test_a_socket_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such socket" in sentence_of(f"unix:{tmp_path}/none.sock", 1, capsys)


def test_a_file_that_is_no_socket_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "connection refused" in sentence_of(f"unix:{tmp_path}/file", 1, capsys)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"", "RemoteDisconnected"),
        (b"SSH-2.0-OpenSSH\r\n", "BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "no healthlb director"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "no healthlb director"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no healthlb director"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"taken_at": 3}', "no healthlb director"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "answered 404"),
        (b'HTTP/1.1 503 X\r\nContent-Length: 25\r\n\r\n{"error": "Not in time."}', "answered 503: Not in time."),
    ],
)
def test_an_answer_that_is_not_a_directors_is_one_sentence(
    said: bytes, expected: str, answering: Callable[[bytes], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in sentence_of(answering(said), 1, capsys)


@pytest.mark.parametrize(
    ("first", "drip"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    ],
)
def test_an_answer_that_drips_is_given_up_at_the_deadline(
    first: bytes, drip: bytes, answering: Callable[[bytes, bytes], str]
) -> None:
    with pytest.raises(client.UnreachableError, match=r"did not answer within 0\.3 seconds"):
        client.fetch(answering(first, drip), "/", deadline=0.3)


def test_silence_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(client.UnreachableError, match=r"did not answer within 0\.2 seconds"):
            client.fetch(f"http://127.0.0.1:{port}", "/", deadline=0.2)


@pytest.mark.parametrize(
    ("listener", "url"),
    [
        (Listener(Endpoint("127.0.0.1", 9480)), "http://127.0.0.1:9480"),
        (Listener(Endpoint("0.0.0.0", 9480)), "http://127.0.0.1:9480"),
        (Listener(Endpoint("::", 9480)), "http://[::1]:9480"),
        (Listener(Endpoint("::1", 80)), "http://[::1]:80"),
        (Listener(path="/run/healthlb/api.sock"), "unix:/run/healthlb/api.sock"),
    ],
)
def test_a_listener_of_the_configuration_has_a_url_that_its_own_machine_reaches(listener: Listener, url: str) -> None:
    assert client.url_of(listener) == url


@pytest.fixture
def nobody() -> Iterator[str]:
    """Give a URL where nobody listens, for as long as the test lasts."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def default_file(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Have the default file say that its director is elsewhere than where directors are by default."""
    file = folder / "healthlb.yaml"
    file.write_text(f"api: {{listen: '{url.removeprefix('http://')}'}}\nvirtual_servers: {{}}\n")
    monkeypatch.setattr(reaching, "DEFAULT_FILE", str(file))


def test_a_director_that_the_default_file_has_elsewhere_is_found_there(
    director: Any, nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reaching, "DEFAULT_URL", nobody)
    default_file(tmp_path, monkeypatch, director.url)
    assert main(["status"]) == 1
    assert "lb1: healthlb" in capsys.readouterr().out


@pytest.mark.parametrize("director", ["tcp"], indirect=True)
def test_one_that_is_where_directors_are_by_default_is_asked_whatever_the_file_says(
    director: Any, nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reaching, "DEFAULT_URL", director.url)
    default_file(tmp_path, monkeypatch, nobody)
    assert main(["status"]) == 1
    assert "lb1: healthlb" in capsys.readouterr().out


@pytest.mark.parametrize("text", [None, "virtual_servers: nonsense\n"])
def test_a_default_file_that_is_absent_or_faulty_leaves_the_default_place(
    text: str | None, nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "healthlb.yaml").write_text(text)
    monkeypatch.setattr(reaching, "DEFAULT_URL", nobody)
    monkeypatch.setattr(reaching, "DEFAULT_FILE", str(tmp_path / "healthlb.yaml"))
    assert main(["status"]) == 1
    told = capsys.readouterr().err
    assert f"No director answers at {nobody}" in told
    assert ("cannot be used" in told) == (text is not None)
