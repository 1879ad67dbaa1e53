"""Who an HTTP check says it is: credentials from files, sent and never shown."""

import base64
from pathlib import Path

import pytest

from checks import Target, UnusableError
from checks.engine.dialogue import Dialogue
from checks.http import Http, Https
from checks.wire import secrets

FILE = "/a"
TARGET = Target("192.0.2.1", 80)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("hunter2\n")
    return path


def said(check: Http) -> tuple[bytes, bytes]:
    dialogue = Dialogue(check.converse(TARGET))
    return dialogue.begin(), dialogue.sent


def test_a_user_and_a_password_become_basic_authentication(file: Path) -> None:
    sent, shown = said(Http(username="größe", password_file=str(file)))
    pair = base64.b64encode("größe:hunter2".encode())
    assert b"\r\nAuthorization: Basic " + pair + b"\r\n" in sent
    assert b"\r\nAuthorization: ***\r\n" in shown
    assert pair not in shown


@pytest.mark.parametrize("version", ["1.0", "1.1", "2"])
def test_a_token_becomes_bearer_authentication_and_is_never_shown(file: Path, version: str) -> None:
    sent, shown = said(Http(version=version, bearer_file=str(file)))
    assert version == "2" or b"\r\nAuthorization: Bearer hunter2\r\n" in sent
    assert b"Authorization: ***\r\n" in shown
    assert b"hunter2" not in shown


def test_a_password_that_changed_is_sent_as_it_is_now(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "LOOK_AGAIN_SECONDS", 0.0)
    check = Http(bearer_file=str(file), host="a.example")
    assert b"hunter2" in said(check)[0]
    file.write_text("hunter3x")
    assert b"hunter3x" in said(check)[0]


@pytest.mark.parametrize("content", ["two words", "a\r\nX-Injected: b", "größe", "a\0b"])
def test_a_token_that_cannot_stand_in_a_header_is_not_sent(file: Path, content: str) -> None:
    file.write_text(content)
    check = Https(bearer_file=str(file))
    sentence = f"bearer_file {file} holds no token: one line of ASCII without spaces"
    assert check.prepare() == sentence
    with pytest.raises(UnusableError, match="holds no token"):
        check.converse(TARGET)


@pytest.mark.parametrize("name", ["X-Auth-Key", "X-Vault-Token", "Cookie", "X_API_KEY", "X-Access-Key", "X-Passwd"])
def test_evidence_hides_what_headers_with_such_names_hold(name: str) -> None:
    step = next(Http(headers=((name, "open sesame"),)).converse(TARGET))
    assert b"open sesame" in step.send
    assert b"open sesame" not in (step.shown or step.send)
    assert f"{name}: ***\r\n".encode() in (step.shown or b"")


def test_a_file_that_is_not_there_is_told_when_the_check_is_prepared(tmp_path: Path) -> None:
    check = Http(username="probe", password_file=str(tmp_path / "none"))
    assert check.prepare() == f"password_file {tmp_path}/none: no such file or directory"
    with pytest.raises(UnusableError):
        check.converse(TARGET)


def test_a_check_with_all_its_files_is_prepared(file: Path) -> None:
    assert Https(version="2", username="probe", password_file=str(file), warn_days=3).prepare() is None


@pytest.mark.parametrize(
    ("check", "faults"),
    [
        (Http(username="a"), [("username", "needs password_file")]),
        (Http(password_file=FILE), [("password_file", "needs username")]),
        (
            Http(username="a", password_file=FILE, bearer_file="/b"),
            [("bearer_file", "takes the place of username; leave one of them out")],
        ),
        (
            Http(bearer_file="/b", headers=(("authorization", "x"),)),
            [("headers", "Authorization is set by healthlb, from username or bearer_file")],
        ),
    ],
)
def test_credentials_that_do_not_go_together_are_named(check: Http, faults: list[tuple[str, str]]) -> None:
    assert list(check.faults()) == faults
