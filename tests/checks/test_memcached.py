"""What a memcached server is asked and what its answers mean, from bytes alone."""

from pathlib import Path

import pytest

from checks import UnusableError
from checks.memcached import Memcached
from tests.checks.talks import Talk, password_file, reason


def test_a_version_passes() -> None:
    talk = Talk(Memcached(), b"VERSION 1.6.18\r\n")
    assert (talk.verdict.passed, talk.verdict.reason) == (True, "VERSION 1.6.18")
    assert talk.said == b"version\r\n"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"ERROR\r\n", "the server reports an error: ERROR"),
        (b"SERVER_ERROR out of memory\r\n", "the server reports an error: SERVER_ERROR out of memory"),
        (b"ERROR Too many open connections\r\n", "the server reports an error: ERROR Too many open connections"),
        (b"CLIENT_ERROR unauthenticated\r\n", "the server asks for a login: CLIENT_ERROR unauthenticated"),
        (b"+PONG\r\n", "not a memcached answer: '+PONG'"),
        (b"\r\n", "the server sent an empty line where the answer to version was due"),
        (b"", "the connection closed without the answer to version"),
    ],
)
def test_any_other_answer_fails_in_words_of_its_own(answer: bytes, sentence: str) -> None:
    assert reason(Memcached(), answer) == sentence


def test_a_login_leaves_no_secret_in_the_evidence_nor_in_a_cache_that_asks_for_none(tmp_path: Path) -> None:
    check = Memcached(username="probe", password_file=password_file(tmp_path))
    talk = Talk(check, b"STORED\r\n", b"VERSION 1\r\n")
    assert talk.verdict.passed
    assert talk.said == b"set healthlb 0 -1 12\r\nprobe s3cret\r\nversion\r\n"
    assert talk.evidence == b"set healthlb 0 -1 ***\r\nprobe ***\r\nversion\r\n"
    wrong = b"CLIENT_ERROR authentication failure\r\n"
    assert reason(check, wrong) == "the server refused the credentials: CLIENT_ERROR authentication failure"


def test_a_password_of_two_lines_is_the_directors_own_fault(tmp_path: Path) -> None:
    check = Memcached(username="probe", password_file=password_file(tmp_path, b"a\r\nb"))
    with pytest.raises(UnusableError, match="cannot carry"):
        Talk(check)


def test_a_user_needs_a_password() -> None:
    assert [name for name, _ in Memcached(username="probe").faults()] == ["username"]
