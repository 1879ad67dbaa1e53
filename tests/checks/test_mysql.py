"""What MySQL or MariaDB must answer, from bytes alone."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Tls, Verdict
from checks.mysql import Mysql
from checks.wire.mysql import CACHING, NATIVE, scramble
from tests.checks.talking import DAMAGES, Damage, damaging, in_turn, is_told, over_stream

Play = Callable[..., Verdict]
FILE = "/nowhere/password"
SALT = bytes(range(1, 21))
ALL = 0xFFFFFFFF


def packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes((number,)) + content


def greeting(plugin: bytes = NATIVE, capabilities: int = ALL, version: bytes = b"8.0.36") -> bytes:
    """Greet as the protocol's HandshakeV10 does."""
    low, high = (capabilities & 0xFFFF).to_bytes(2, "little"), (capabilities >> 16).to_bytes(2, "little")
    head = b"\x0a" + version + b"\0" + bytes(4) + SALT[:8] + b"\0" + low + b"\x2d\x02\x00" + high + b"\x15" + bytes(10)
    return packet(0, head + SALT[8:] + b"\0" + plugin + b"\0")


def ok(number: int) -> bytes:
    return packet(number, bytes.fromhex("00000002000000"))


def error(number: int, code: int, text: str, state: str = "#HY000") -> bytes:
    return packet(number, b"\xff" + code.to_bytes(2, "little") + f"{state}{text}".encode())


def eof(number: int) -> bytes:
    return packet(number, bytes.fromhex("fe00000200"))


def rows(value: bytes | None) -> bytes:
    """Answer a query with one column and one row."""
    cell = b"\xfb" if value is None else bytes((len(value),)) + value
    return packet(1, b"\x01") + packet(2, b"\x03def and so on") + eof(3) + packet(4, cell) + eof(5)


GREETING = greeting()
NO_ROWS = packet(1, b"\x01") + packet(2, b"\x03def and so on") + eof(3) + eof(4)


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Mysql]:
    """Return a function that makes checks which log in."""
    file = tmp_path_factory.mktemp("mysql") / "password"
    file.write_text("right\n")
    return lambda **options: Mysql(username="monitor", password_file=str(file), **options)


def test_without_a_user_the_greeting_is_all() -> None:
    verdict, steps = over_stream(Mysql(), in_turn(), GREETING)
    assert verdict == Verdict(True, "greeting of 8.0.36")
    assert b"".join(step.send for step in steps) == b""


@given(st.integers(0, 99))
def test_a_greeting_passes_however_it_is_cut(most: int) -> None:
    mariadb = greeting(version=b"5.5.5-10.11.6-MariaDB")
    assert over_stream(Mysql(), in_turn(), mariadb, most)[0] == Verdict(True, "greeting of 10.11.6-MariaDB")


@pytest.mark.parametrize(
    ("greeted", "reason"),
    [
        (b"", "the connection closed without a greeting"),
        (GREETING[:-1], "the connection closed in the middle of a greeting"),
        (error(0, 1040, "Too many connections", ""), "the server has too many connections (1040)"),
        (
            error(0, 1129, "Host '192.0.2.1' is blocked", ""),
            "the server blocks the director after too many connection errors (1129); FLUSH HOSTS there ends it",
        ),
        (
            error(0, 1130, "Host '192.0.2.1' is not allowed to connect to this MariaDB server", ""),
            "error 1130: Host '192.0.2.1' is not allowed to connect to this MariaDB server",
        ),
        (packet(0, b"\x09old"), "the server greets in version 9 of MySQL's protocol, not 10"),
        (packet(0, b"\x0aold"), "malformed MySQL greeting"),
        (packet(0, b"\x0aold\0" + bytes(14)), "malformed MySQL greeting"),
        (packet(1, b"\x0aold\0"), "the server does not speak MySQL, or its packets are out of order"),
        (b"\0\0\0\0", "the server does not speak MySQL, or its packets are out of order"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the server does not speak MySQL, or its packets are out of order"),
        (b"\xff\xff\xff\0", "the server announced a packet of 16777215 bytes; at most 65536 are read"),
    ],
)
def test_what_is_no_greeting_fails(greeted: bytes, reason: str) -> None:
    assert over_stream(Mysql(), in_turn(), greeted)[0] == Verdict(False, reason)


@pytest.mark.parametrize(
    ("plugin", "proof"),
    [  # as PyMySQL 2.2.8 computes them
        (NATIVE, "53ec71191f6bfdf1d1125c0244a52b5a383cbe85"),
        (CACHING, "2a08256a9cccb3f6ca91374d3298c837c09aff2c509a94a5cf51e2a25a7916ed"),
    ],
)
def test_a_password_is_proven_as_other_clients_do(plugin: bytes, proof: str) -> None:
    assert scramble(plugin, b"right", SALT).hex() == proof
    assert scramble(plugin, b"right", SALT + b"\0").hex() == proof
    assert scramble(plugin, b"", SALT) == b""


def test_a_native_password_is_one_that_its_stored_hash_verifies() -> None:
    # the server keeps SHA1(SHA1(password)), and undoes the XOR to find SHA1(password)
    stored = hashlib.sha1(hashlib.sha1(b"right").digest()).digest()  # noqa: S324  as the protocol has it
    mask = hashlib.sha1(SALT + stored).digest()  # noqa: S324
    stage = bytes(a ^ b for a, b in zip(scramble(NATIVE, b"right", SALT), mask, strict=True))
    assert hashlib.sha1(stage).digest() == stored  # noqa: S324


def test_a_login_names_the_user_the_database_and_the_plugin_and_quits(login: Callable[..., Mysql]) -> None:
    verdict, steps = over_stream(login(database="shop"), in_turn(ok(2)), GREETING)
    assert verdict == Verdict(True, "logged in to 8.0.36")
    [response, goodbye] = [step for step in steps if step.send]
    proof = scramble(NATIVE, b"right", SALT)
    assert response.send[3] == 1
    assert response.send[36:] == b"monitor\0\x14" + proof + b"shop\0" + NATIVE + b"\0"
    assert (response.shown, goodbye.send) == (b"login of monitor", b"\x01\0\0\0\x01")


@pytest.mark.parametrize(
    ("greeted", "answers", "sent"),
    [
        (greeting(CACHING), [packet(2, b"\x01\x03") + ok(3)], []),
        (greeting(CACHING), [packet(2, b"\xfe" + NATIVE + b"\0" + SALT + b"\0"), ok(4)], [NATIVE]),
        (greeting(b"client_ed25519"), [packet(2, b"\xfe" + NATIVE + b"\0" + SALT + b"\0"), ok(4)], [NATIVE]),
        (
            GREETING,
            [packet(2, b"\xfe" + CACHING + b"\0" + SALT + b"\0"), packet(4, b"\x01\x03") + ok(5)],
            [CACHING],
        ),
    ],
)
def test_a_user_may_have_another_plugin_than_the_server(
    login: Callable[..., Mysql], greeted: bytes, answers: list[bytes], sent: list[bytes]
) -> None:
    verdict, steps = over_stream(login(), in_turn(*answers), greeted)
    assert verdict == Verdict(True, "logged in to 8.0.36")
    switched = [step for step in steps if step.send][1:-1]
    assert [step.send for step in switched] == [packet(3, scramble(plugin, b"right", SALT)) for plugin in sent]
    assert [step.shown for step in switched] == [b"***"] * len(sent)


def test_the_password_itself_goes_over_tls_only(login: Callable[..., Mysql]) -> None:
    verdict, steps = over_stream(login(), in_turn(packet(2, b"\x01\x04"), ok(4)), greeting(CACHING))
    assert (verdict.passed, b"it is sent over TLS only" in verdict.reason.encode()) == (False, True)
    assert b"right" not in b"".join(step.send for step in steps)

    settings = Tls(server_name="db.example")
    server = in_turn(b"", packet(3, b"\x01\x04"), ok(5))
    verdict, steps = over_stream(login(starttls=settings), server, greeting(CACHING))
    assert verdict.passed
    spoken = [step for step in steps if step.send or step.secure]
    assert [step.secure for step in spoken] == [None, settings, None, None, None]
    assert len(spoken[0].send) == 36  # an SSLRequest ends before the user's name
    assert spoken[3].send == packet(4, b"right\0")
    assert spoken[3].shown == b"***"


def test_without_tls_nothing_more_is_said(login: Callable[..., Mysql]) -> None:
    old = greeting(capabilities=ALL & ~0x800)
    verdict, steps = over_stream(login(starttls=Tls()), in_turn(), old)
    assert verdict == Verdict(False, "the server offers no TLS")
    assert not b"".join(step.send for step in steps)
    injected = over_stream(login(starttls=Tls()), in_turn(), GREETING + ok(2))[0]
    assert injected == Verdict(False, "the server said more in clear after it had agreed to TLS")


@pytest.mark.parametrize(
    ("options", "answers", "reason"),
    [
        ({}, [error(2, 1045, "Access denied")], "error 1045: Access denied"),
        ({}, [error(2, 1045, "right is wrong")], "error 1045: *** is wrong"),
        ({}, [packet(2, b"\xfeclient_ed25519\0salt")], "the user logs in by client_ed25519, which is not spoken here"),
        ({}, [packet(2, b"\xfe")], "the user logs in by the oldest method, which is not spoken here"),
        ({}, [packet(2, b"\x07")], "the server answered the login with something else than yes or no"),
        (
            {},
            [packet(2 + 2 * n, b"\xfe" + NATIVE + b"\0" + SALT) for n in range(5)],
            "the server answered the login with something else than yes or no",
        ),
        ({"query": "DO 1"}, [ok(2), ok(1)], "the query gave no row"),
        ({"query": "SELECT"}, [ok(2), NO_ROWS], "the query gave no row"),
        ({"query": "SELEC"}, [ok(2), error(1, 1064, "syntax")], "error 1064: syntax"),
        (
            {"query": "SELECT"},
            [ok(2), packet(1, b"\x01") + packet(2, b"def") + packet(3, b"def")],
            "the server sent more columns than it had announced",
        ),
        (
            {"query": "LOAD DATA LOCAL"},
            [ok(2), packet(1, b"\xfb/etc/passwd")],
            "the server answered the query with something else than rows",
        ),
        (
            {"query": "SELECT"},
            [ok(2), packet(1, b"\x01") + packet(2, b"def") + eof(3) + packet(4, b"\x09short")],
            "the server sent a row that breaks off",
        ),
        ({"query": "SELECT", "expect": "1"}, [ok(2), rows(None)], "the query gave NULL, expected '1'"),
        ({"query": "SELECT", "expect": "1"}, [ok(2), rows(b"2")], "the query gave '2', expected '1'"),
        ({"role": "writable"}, [ok(2), rows(b"1")], "the server is read-only, expected writable"),
        ({"role": "read-only"}, [ok(2), rows(b"OFF")], "the server is writable, expected read-only"),
    ],
)
def test_what_is_wrong_is_told(login: Callable[..., Mysql], options: Any, answers: list[bytes], reason: str) -> None:
    assert over_stream(login(**options), in_turn(*answers), GREETING)[0] == Verdict(False, reason)


@pytest.mark.parametrize(
    ("options", "value", "reason"),
    [
        ({"query": "SELECT 1", "expect": "1"}, b"1", "the query gave '1'"),
        ({"query": "SELECT NULL"}, None, "the query gave NULL"),
        ({"query": "SELECT ''", "expect": ""}, b"", "the query gave ''"),
        ({"role": "writable"}, b"0", "the server is writable"),
        ({"role": "read-only"}, b"1", "the server is read-only"),
        ({"role": "read-only"}, b"NO_LOCK_NO_ADMIN", "the server is read-only"),
    ],
)
@pytest.mark.parametrize("most", [0, 1 << 20])
def test_what_was_wanted_passes(
    login: Callable[..., Mysql], options: Any, value: bytes | None, reason: str, most: int
) -> None:
    verdict, steps = over_stream(login(**options), in_turn(ok(2), rows(value)), GREETING, most)
    assert verdict == Verdict(True, reason)
    assert steps[-1].send == b"\x01\0\0\0\x01"


def test_a_server_too_old_for_a_login_is_told(login: Callable[..., Mysql]) -> None:
    verdict, _ = over_stream(login(), in_turn(), greeting(capabilities=0, version=b"4.0.1"))
    assert verdict == Verdict(False, "4.0.1 is too old for a login")


@pytest.mark.parametrize(
    ("check", "option"),
    [
        (Mysql(password_file=FILE), "password_file"),
        (Mysql(query="SELECT 1"), "query"),
        (Mysql(role="writable"), "role"),
        (Mysql(starttls=Tls()), "starttls"),
        (Mysql(username="x", query="SELECT 1", role="writable"), "query"),
        (Mysql(username="x", expect="1"), "expect"),
        (Mysql(username="x", query="x" * (1 << 24)), "query"),
    ],
)
def test_options_that_do_not_go_together_are_told(check: Mysql, option: str) -> None:
    assert [name for name, _ in check.faults()] == [option]


def test_a_missing_password_file_is_told_before_the_first_probe() -> None:
    check = Mysql(username="x", password_file=FILE)
    assert check.prepare() == f"password_file {FILE}: no such file or directory"
    assert Mysql().prepare() is None


@given(st.lists(st.binary(max_size=100)), st.binary(max_size=100))
def test_any_bytes_end_in_a_verdict(
    play: Play, login: Callable[..., Mysql], pieces: list[bytes], greeted: bytes
) -> None:
    for check in (Mysql(), login(starttls=Tls()), login(query="SELECT 1")):
        assert is_told(play(check, pieces))
        assert is_told(play(check, [GREETING, *pieces]))
        assert is_told(play(check, [packet(0, b"\x0a" + greeted), *pieces]))


@given(DAMAGES, st.integers(0, 80), st.sampled_from([NATIVE, CACHING]))
def test_damaged_answers_end_in_a_verdict(
    login: Callable[..., Mysql], damages: list[Damage], most: int, plugin: bytes
) -> None:
    greeted = greeting(plugin)
    if damages:
        greeted = damages[0](greeted)
    server = in_turn(packet(2, b"\xfe" + NATIVE + b"\0" + SALT + b"\0"), ok(4), rows(b"1"))
    check = login(query="SELECT 1", expect="1")
    assert is_told(over_stream(check, damaging(server, damages[1:]), greeted, most)[0])
