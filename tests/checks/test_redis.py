"""What a Redis server is asked and what its answers mean, from bytes alone."""

from pathlib import Path
from typing import Any

import pytest

from checks.redis import Redis
from checks.wire.resp import command
from tests.checks.talks import SOME_FILE, Talk, password_file, reason

PING = b"*1\r\n$4\r\nPING\r\n"
MASTER = b"*3\r\n$6\r\nmaster\r\n:3129659\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$7\r\n3129242\r\n"
REPLICA = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$%d\r\n%s\r\n:-1\r\n"


def test_pong_passes() -> None:
    talk = Talk(Redis(), b"+PONG\r\n")
    assert (talk.verdict.passed, talk.verdict.reason) == (True, "PONG")
    assert talk.said == PING


def test_all_questions_go_in_one_round_trip_and_show_no_secret(tmp_path: Path) -> None:
    check = Redis(username="probe", password_file=password_file(tmp_path), role="master")
    talk = Talk(check, b"+OK\r\n+PONG\r\n" + MASTER)
    assert talk.verdict.reason == "PONG, master"
    assert talk.said == command(b"AUTH", b"probe", b"s3cret") + PING + command(b"ROLE")
    assert talk.evidence == command(b"AUTH", b"probe", b"***") + PING + command(b"ROLE")
    assert len([step for step in talk.steps if step.send]) == 1


def test_a_password_alone_is_the_default_users(tmp_path: Path) -> None:
    check = Redis(password_file=password_file(tmp_path, b"a b\r\nc"))
    assert Talk(check, b"+OK\r\n", b"+PONG\r\n").said == command(b"AUTH", b"a b\r\nc") + PING


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            b"-NOAUTH Authentication required.\r\n",
            "the server asks for a password: NOAUTH Authentication required.",
        ),
        (
            b"-LOADING Redis is loading the dataset in memory\r\n",
            "the server is still loading its data: LOADING Redis is loading the dataset in memory",
        ),
        (
            b"-MASTERDOWN Link with MASTER is down\r\n",
            "the link with the master is down, and stale data is not served: MASTERDOWN Link with MASTER is down",
        ),
        (b"-ERR max number of clients reached\r\n", "the server reports an error: ERR max number of clients reached"),
        (b"+OK\r\n", "PING was answered with 'OK', expected PONG"),
        (b":1\r\n", "PING was answered with 1, expected PONG"),
        (b"$-1\r\n", "PING was answered with nothing, expected PONG"),
        (b"*0\r\n", "PING was answered with a list of 0, expected PONG"),
        (b"HTTP/1.1 400 Bad Request\r\n", "not a Redis reply: 'HTTP/1.1 400 Bad Request'"),
        (b"$x\r\n", "not a Redis reply: '$x'"),
        (b"$2\r\nPONG\r\n", "not a Redis reply: 'PONG' should have ended after 2 bytes"),
        (b"", "the connection closed without the answer to PING"),
        (b"+PON", "the connection closed in the middle of the answer to PING"),
    ],
)
def test_any_other_answer_fails_in_words_of_its_own(answer: bytes, sentence: str) -> None:
    assert reason(Redis(), answer) == sentence


def test_credentials_that_are_refused_are_told_before_what_follows_from_that(tmp_path: Path) -> None:
    check = Redis(password_file=password_file(tmp_path))
    answers = b"-WRONGPASS invalid username-password pair\r\n-NOAUTH Authentication required.\r\n"
    assert reason(check, answers).startswith("the server refused the credentials: WRONGPASS")


@pytest.mark.parametrize(
    ("wanted", "answer", "sentence"),
    [
        ("master", REPLICA % (9, b"connected"), "the server is replica, expected master"),
        ("replica", MASTER, "the server is master, expected replica"),
        ("sentinel", MASTER, "the server is master, expected sentinel"),
        ("master", b"*1\r\n$8\r\nsentinel\r\n", "the server is sentinel, expected master"),
        ("master", b"*0\r\n", "ROLE was answered with a list of 0"),
        ("master", b"+master\r\n", "ROLE was answered with 'master'"),
        ("master", b"-NOPERM no\r\n", "the user is not permitted to do this: NOPERM no"),
    ],
)
def test_a_server_of_another_role_fails(wanted: Any, answer: bytes, sentence: str) -> None:
    assert reason(Redis(role=wanted), b"+PONG\r\n" + answer) == sentence


def test_a_replica_without_its_master_passes_with_a_warning() -> None:
    check = Redis(role="replica")
    fine = Talk(check, b"+PONG\r\n", REPLICA % (9, b"connected")).verdict
    assert (fine.passed, fine.reason, fine.warning) == (True, "PONG, replica", "")
    alone = Talk(check, b"+PONG\r\n", REPLICA % (7, b"connect")).verdict
    assert (alone.passed, alone.warning) == (True, "the link with its master is in state 'connect'")


@pytest.mark.parametrize("flood", [b"$99999\r\n", b"*99999999\r\n" + b":1\r\n" * 5000])
def test_a_reply_without_end_is_refused(flood: bytes) -> None:
    assert reason(Redis(), flood) == "the server sent a reply of more than 65536 bytes or 4096 values"


def test_lists_within_lists_without_end_are_refused() -> None:
    assert reason(Redis(), b"*1\r\n" * 5000) == "the server sent lists in lists, more than 4 deep"


def test_a_user_needs_a_password() -> None:
    assert [name for name, _ in Redis(username="probe").faults()] == ["username"]
    assert not list(Redis(password_file=SOME_FILE).faults())
