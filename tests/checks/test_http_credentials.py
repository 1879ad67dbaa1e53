"""Who an HTTP check says it is: credentials from files, sent and never shown."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Target, UnusableError
from checks.engine.dialogue import Dialogue
from checks.http import Http, Https
from checks.web.options import Each
from checks.wire import secrets

FILE = "/a"
RARE = st.lists(st.sampled_from([b"\xf8", b"\xf9"]), max_size=20).map(b"".join)
"""Bytes that no other test takes for a secret."""
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


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("name", ["token", "api_key", "access_token", "key", "sig", "PASSWORD", "auth"])
def test_evidence_hides_what_parameters_with_such_names_hold(name: str, version: str) -> None:
    dialogue = Dialogue(Http(path=f"/live?deep=1&{name}=open-sesame&monkey=2", version=version).converse(TARGET))
    assert version == "2" or f"&{name}=open-sesame&".encode() in dialogue.begin()
    dialogue.begin()
    assert b"open-sesame" not in dialogue.sent
    assert f"GET /live?deep=1&{name}=***&monkey=2 HTTP/".encode() in dialogue.sent


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            '{"user": "probe", "password": "open \\" sesame", "deep": 1}',
            '{"user": "probe", "password": ***, "deep": 1}',
        ),
        ("user=probe&passwd=open-sesame&deep=1", "user=probe&passwd=***&deep=1"),
        ('{"a": {"api_key":"open-sesame"}}', '{"a": {"api_key":***}}'),
        ('{"message": "password reset page"}', '{"message": "password reset page"}'),
        ("monkey=1", "monkey=1"),
    ],
)
def test_evidence_hides_what_members_of_a_body_with_such_names_hold(body: str, shown: str) -> None:
    dialogue = Dialogue(Http(method="POST", body=body).converse(TARGET))
    assert dialogue.begin().endswith(b"\r\n\r\n" + body.encode())
    assert dialogue.sent.endswith(b"\r\n\r\n" + shown.encode())


def test_a_request_among_several_is_named_without_its_secrets() -> None:
    check = Http(requests=(Each(path="/live?token=open-sesame"), Each(path="/ready")))
    dialogue = Dialogue(check.converse(TARGET))
    dialogue.begin()
    dialogue.feed(b"HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n")
    assert dialogue.verdict is not None
    assert "/live?token=***" in dialogue.verdict.reason


def test_a_server_that_repeats_secrets_of_the_configuration_does_not_tell_them() -> None:
    headers = (("Authorization", "Bearer 0pen-sesame-1"), ("Cookie", "sid=0pen-sesame-2; lang=en"))
    next(Http(path="/?token=0pen-sesame-3", headers=headers).converse(TARGET))
    echo = (
        b'{"Authorization": "Bearer 0pen-sesame-1", "sid": "0pen-sesame-2", "args": "0pen-sesame-3", "cut": "0pen-ses'
    )
    told = secrets.without_secrets(echo)
    assert b"0pen" not in told
    assert b'"Authorization": "***", "sid": "***"' in told


def test_the_password_of_a_basic_header_is_hidden_in_both_spellings() -> None:
    pair = base64.b64encode(b"probe:0pen-sesame-4").decode()
    next(Http(headers=(("Authorization", f"Basic {pair}"),)).converse(TARGET))
    told = secrets.without_secrets(b"hello 0pen-sesame-4, " + pair.encode())
    assert told.startswith(b"hello ***, ***")
    assert pair.rstrip("=").encode() not in told


def test_a_server_that_repeats_what_it_was_sent_to_log_in_does_not_tell_the_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("0pen-sesame-5\n")
    next(Http(username="probe", password_file=str(tmp_path / "password")).converse(TARGET))
    sent = base64.b64encode(b"probe:0pen-sesame-5")
    assert secrets.without_secrets(b"Authorization: Basic " + sent) == b"Authorization: Basic ***"


@given(RARE.filter(lambda each: len(each) >= secrets.SHORTEST_WRITTEN), st.integers(0, 20), RARE)
def test_no_beginning_of_a_secret_is_left_at_the_end_of_what_was_said(secret: bytes, cut: int, before: bytes) -> None:
    secrets.hide(secret)
    told = secrets.without_secrets(before + secret[:cut])
    assert secret not in told
    assert not any(told.endswith(secret[:size]) for size in range(secrets.SHORTEST, len(secret)))


def test_secrets_of_the_configuration_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_written", {})
    for number in range(2 * secrets.MOST_WRITTEN):
        secrets.hide(f"open-sesame-{number:04}".encode())
    assert secrets.without_secrets(f"open-sesame-{2 * secrets.MOST_WRITTEN - 1:04}".encode()) == secrets.HIDDEN
    assert len(secrets._written) == secrets.MOST_WRITTEN


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
