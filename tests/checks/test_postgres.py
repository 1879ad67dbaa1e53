"""What a PostgreSQL server must answer, from bytes alone."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Step, Tls, Verdict
from checks.postgres import TLS_REQUEST, Postgres
from checks.wire.inbox import PeerError
from checks.wire.scram import MOST_ITERATIONS, Scram, prepared
from tests.checks.talking import DAMAGES, Damage, damaging, in_turn, is_told, over_stream

Play = Callable[..., Verdict]
FILE = "/nowhere/password"


def message(kind: str, content: bytes = b"") -> bytes:
    return kind.encode() + (len(content) + 4).to_bytes(4, "big") + content


def asks(method: int, rest: bytes = b"") -> bytes:
    return message("R", method.to_bytes(4, "big") + rest)


def error(state: str, text: str) -> bytes:
    return message("E", f"SFATAL\0VFATAL\0C{state}\0M{text}\0\0".encode())


def row(*values: bytes | None) -> bytes:
    columns = b"".join(b"\xff" * 4 if v is None else len(v).to_bytes(4, "big") + v for v in values)
    return message("D", len(values).to_bytes(2, "big") + columns)


OK = asks(0)
READY = message("S", b"server_version\x0015\0") + message("K", bytes(8)) + message("Z", b"I")
WELCOME = OK + READY
END = message("C", b"SELECT 1\0") + message("Z", b"I")


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Postgres]:
    """Return a function that makes checks which log in with the password of RFC 7677."""
    file = tmp_path_factory.mktemp("postgres") / "password"
    file.write_text("pencil\n")
    return lambda **options: Postgres(username="user", password_file=str(file), **options)


def test_the_default_asks_to_come_in_and_no_more() -> None:
    verdict, [step] = over_stream(Postgres(), in_turn(asks(10, b"SCRAM-SHA-256\0\0")))
    assert verdict == Verdict(True, "accepts connections and asks for SCRAM")
    assert step.send[:8].hex() == "0000004300030000"
    assert step.send[8:] == b"user\0healthlb\0database\0healthlb\0application_name\0healthlb\0\0"


def test_a_server_that_cannot_fork_says_so_in_the_words_of_an_older_protocol(play: Play) -> None:
    said = b"Ecould not fork new process for connection: Cannot allocate memory\n\0"
    reason = "the server cannot begin a session: could not fork new process for connection: Cannot allocate memory"
    assert play(Postgres(), [said]) == Verdict(False, reason)
    assert play(Postgres(), [bytes((byte,)) for byte in said]) == Verdict(False, reason)


def test_a_server_that_lets_everybody_in_is_left_politely() -> None:
    verdict, steps = over_stream(Postgres(), in_turn(WELCOME))
    assert verdict == Verdict(True, "accepts connections")
    assert [step.send for step in steps][-1] == message("X")


@pytest.mark.parametrize("before", [b"", OK])
@pytest.mark.parametrize(
    ("state", "passed"),
    [
        ("28000", True),
        ("28P01", True),
        ("3D000", True),
        ("57P03", False),
        ("57P01", False),
        ("53300", False),
        ("53200", False),
        ("58000", False),
        ("XX000", False),
    ],
)
def test_an_error_passes_unless_it_is_a_sick_servers(before: bytes, state: str, passed: bool) -> None:
    verdict, _ = over_stream(Postgres(), in_turn(before + error(state, "as it is")))
    assert (verdict.passed, verdict.reason.removeprefix("answers: ")) == (passed, f"{state}: as it is")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "the connection closed without an answer"),
        (OK[:-1], "the connection closed in the middle of an answer"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the server does not speak PostgreSQL"),
        (b"220 mail.example ESMTP\r\n", "the server does not speak PostgreSQL"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the server does not speak PostgreSQL"),
        (message("Z", b"I"), "the server does not speak PostgreSQL"),
        (message("?"), "the server does not speak PostgreSQL"),
        (b"R\0\0\0\0", "the server does not speak PostgreSQL"),
        (message("R", b"\0"), "the server does not speak PostgreSQL"),
        (b"E\x00\xff\xff\xff", "the server announced a message of 16777211 bytes; at most 65536 are read"),
        (message("E", b"Snonsense\0\0"), "the server sent an error without a code or a message"),
        (message("N", b"\0") * 300, "the server sent 256 notices and no answer"),
    ],
)
def test_what_is_no_answer_fails(answer: bytes, reason: str) -> None:
    assert over_stream(Postgres(), in_turn(answer))[0] == Verdict(False, reason)


def test_scram_is_as_in_the_rfc() -> None:
    # RFC 7677 section 3
    scram = Scram(b"pencil", "user", b"rOprNGfwEbeRWgbNEkqO")
    assert scram.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    nonce = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    final = scram.final(b"r=" + nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    assert final == b"c=biws,r=" + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    with pytest.raises(PeerError, match="does not know the password itself"):
        scram.verify(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    scram.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


@pytest.mark.parametrize(
    ("challenge", "reason"),
    [
        (b"r=mineyours,s=c2FsdA==,i=99999999", f"at most {MOST_ITERATIONS} are done"),
        (b"r=mineyours,s=c2FsdA==,i=0", "asks for 0 rounds"),
        (b"r=mineyours,s=c2FsdA==,i=x", "asks for 0 rounds"),
        (b"r=mine,s=c2FsdA==,i=4096", "answered another login"),
        (b"r=other,s=c2FsdA==,i=4096", "answered another login"),
        (b"r=mineyours,s=c2F?dA==,i=4096", "malformed SCRAM challenge"),
        (b"e=other-error", "malformed SCRAM challenge"),
    ],
)
def test_a_challenge_that_is_wrong_or_dear_is_not_taken(challenge: bytes, reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        Scram(b"pencil", nonce=b"mine").final(challenge)


@pytest.mark.parametrize(
    ("password", "same"),
    [  # RFC 4013 section 3, and what PostgreSQL does with what is prohibited there
        ("user", "user"),
        ("I\u00adX", "IX"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u0627\u0031", "\u0627\u0031"),
        ("\u20ac\ue000", "\u20ac\ue000"),
    ],
)
def test_a_password_is_prepared_by_saslprep(password: str, same: str) -> None:
    assert prepared(password.encode()) == same.encode()


@given(st.binary(max_size=30))
def test_any_password_can_be_prepared(password: bytes) -> None:
    assert isinstance(prepared(password), bytes)


class ScramServer:
    """A server that knows the salted password of RFC 7677, and the other side of the exchange."""

    def __init__(self, *, honest: bool = True, tail: bytes = WELCOME) -> None:
        self.honest = honest
        self.tail = tail
        self.salted = hashlib.pbkdf2_hmac("sha256", b"pencil", b"salt", 4096)
        self.first = b""

    def __call__(self, step: Step) -> bytes:
        def mac(key: bytes, data: bytes) -> bytes:
            return hmac.new(key, data, "sha256").digest()

        if b"user\0user" in step.send:
            return asks(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
        if step.send.startswith(b"p") and b"n,,n=," in step.send:
            bare = step.send.partition(b"n,,")[2]
            self.nonce = bare.partition(b"r=")[2] + b"server"
            self.first = b"r=" + self.nonce + b",s=" + b64encode(b"salt") + b",i=4096"
            self.bare = bare
            return asks(11, self.first)
        if step.send.startswith(b"p"):
            without, _, proof = step.send[5:].partition(b",p=")
            everything = self.bare + b"," + self.first + b"," + without
            key = mac(self.salted, b"Client Key")
            signature = mac(hashlib.sha256(key).digest(), everything)
            if proof != b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))):
                return error("28P01", "password authentication failed")
            mine = mac(mac(self.salted, b"Server Key"), everything if self.honest else b"")
            return asks(12, b"v=" + b64encode(mine)) + self.tail
        return row(b"7") + END if step.send.startswith(b"Q") else b""


def test_a_login_by_scram_proves_both_sides_and_shows_no_secret(login: Callable[..., Postgres]) -> None:
    verdict, steps = over_stream(login(query="SELECT a FROM t", expect="7"), ScramServer())
    assert verdict == Verdict(True, "the query gave '7'")
    assert [step.shown for step in steps if step.send.startswith(b"p")] == [b"p***", b"p***"]
    assert steps[-1].send == message("X")


def test_a_server_that_cannot_prove_itself_fails(login: Callable[..., Postgres]) -> None:
    verdict, _ = over_stream(login(), ScramServer(honest=False))
    assert verdict == Verdict(False, "the server does not know the password itself (SCRAM signature)")


def test_a_server_that_skips_its_proof_fails(login: Callable[..., Postgres]) -> None:
    server = in_turn(asks(10, b"SCRAM-SHA-256\0\0"), WELCOME)
    assert over_stream(login(), server)[0] == Verdict(False, "the server broke off the SCRAM exchange")


def test_an_error_behind_the_proof_is_told(login: Callable[..., Postgres]) -> None:
    tail = OK + error("53300", "remaining connection slots are reserved")
    verdict, _ = over_stream(login(), ScramServer(tail=tail))
    assert verdict == Verdict(False, "53300: remaining connection slots are reserved")


def test_md5_is_salted_as_the_manual_says(login: Callable[..., Postgres]) -> None:
    # PostgreSQL's manual, 55.2.1: concat('md5', md5(concat(md5(concat(password, username)), random-salt)))
    verdict, steps = over_stream(login(), in_turn(asks(5, b"salt"), WELCOME))
    assert verdict == Verdict(True, "logged in")
    inner = hashlib.md5(b"penciluser").hexdigest().encode()  # noqa: S324  as the manual has it
    assert steps[1].send == message("p", b"md5" + hashlib.md5(inner + b"salt").hexdigest().encode() + b"\0")  # noqa: S324


def test_a_password_in_clear_goes_over_tls_only(login: Callable[..., Postgres]) -> None:
    verdict, steps = over_stream(login(), in_turn(asks(3), WELCOME))
    assert verdict == Verdict(False, "the server asks for the password in clear text, which is sent over TLS only")
    assert b"pencil" not in b"".join(step.send for step in steps)
    verdict, steps = over_stream(login(starttls=Tls()), in_turn(b"S", asks(3), WELCOME))
    assert verdict == Verdict(True, "logged in")
    assert steps[3].send == message("p", b"pencil\0")
    assert over_stream(login(tls=Tls()), in_turn(asks(3), WELCOME))[0].passed


@pytest.mark.parametrize(
    ("options", "answers", "reason"),
    [
        ({}, [asks(7)], "the server asks for GSSAPI, which is not spoken here"),
        ({}, [asks(99)], "the server asks for login method 99, which is not spoken here"),
        ({}, [asks(10, b"OAUTHBEARER\0\0")], "the server offers no SCRAM-SHA-256 but OAUTHBEARER"),
        ({}, [asks(5, b"salt"), error("28P01", "not pencil")], "28P01: not ***"),
        ({}, [asks(5, b"salt"), asks(5, b"salt")], "the server asks for a second password"),
        ({"query": "SELECT 1"}, [WELCOME, error("42601", "syntax error") + END], "42601: syntax error"),
        ({"query": "SELECT 1"}, [WELCOME, error("57P01", "shutting down")], "57P01: shutting down"),
        ({"query": "SELECT 1"}, [WELCOME, message("I") + END], "the query gave no row"),
        ({"query": "SELECT 1"}, [WELCOME, message("T", b"..") + END], "the query gave no row"),
        ({"query": "SELECT 1"}, [WELCOME, row() + END], "the query gave a row without columns"),
        ({"query": "SELECT 1"}, [WELCOME, row(b"123")[:-1] + b""], "the connection closed in the middle of an answer"),
        (
            {"query": "SELECT 1"},
            [WELCOME, message("D", b"\0\1\0\0\0\x09x") + END],
            "the query gave a row without columns",
        ),
        ({"query": "SELECT 1", "expect": "1"}, [WELCOME, row(None) + END], "the query gave NULL, expected '1'"),
        ({"query": "SELECT 1", "expect": "1"}, [WELCOME, row(b"2") + END], "the query gave '2', expected '1'"),
        ({"role": "primary"}, [WELCOME, row(b"t") + END], "the server is a standby, expected a primary"),
        ({"role": "standby"}, [WELCOME, row(b"f") + END], "the server is a primary, expected a standby"),
        ({"role": "standby"}, [WELCOME, row(None) + END], "pg_is_in_recovery() gave NULL"),
    ],
)
def test_what_is_wrong_is_told(login: Callable[..., Postgres], options: Any, answers: list[bytes], reason: str) -> None:
    assert over_stream(login(**options), in_turn(*answers))[0] == Verdict(False, reason)


@pytest.mark.parametrize(("role", "answer"), [("primary", b"f"), ("standby", b"t")])
def test_the_role_is_asked_for_without_a_password_where_the_server_wants_none(role: str, answer: bytes) -> None:
    verdict, steps = over_stream(Postgres(role=role), in_turn(WELCOME, row(answer) + END))
    assert verdict == Verdict(True, f"the server is a {role}")
    assert steps[1].send == message("Q", b"SELECT pg_catalog.pg_is_in_recovery()\0")
    refused = over_stream(Postgres(role=role), in_turn(asks(10, b"SCRAM-SHA-256\0\0")))[0]
    assert refused == Verdict(False, "the server asks for SCRAM; give password_file")


def test_starttls_begins_tls_before_the_user_is_named() -> None:
    settings = Tls(server_name="db.example")
    verdict, steps = over_stream(Postgres(starttls=settings), in_turn(b"S", asks(10)))
    assert verdict.passed
    assert [step.send == TLS_REQUEST for step in steps] == [True, False, False]
    assert [step.secure for step in steps] == [None, settings, None]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"N", "the server offers no TLS"),
        (b"E", "the server does not speak PostgreSQL"),
        (b"S" + OK, "the server said more in clear after it had agreed to TLS"),
    ],
)
def test_without_tls_nothing_more_is_said(login: Callable[..., Postgres], answer: bytes, reason: str) -> None:
    verdict, steps = over_stream(login(starttls=Tls()), in_turn(answer))
    assert (verdict, len(steps)) == (Verdict(False, reason), 1)


def test_direct_tls_offers_the_protocol_by_its_name() -> None:
    assert Postgres(tls=Tls()).tls == Tls(alpn=("postgresql",))
    assert Postgres(tls=Tls(alpn=("other",))).tls == Tls(alpn=("other",))


@pytest.mark.parametrize(
    ("check", "option"),
    [
        (Postgres(query="SELECT 1", role="primary"), "query"),
        (Postgres(expect="1"), "expect"),
        (Postgres(tls=Tls(), starttls=Tls()), "starttls"),
    ],
)
def test_options_that_do_not_go_together_are_told(check: Postgres, option: str) -> None:
    assert [name for name, _ in check.faults()] == [option]


def test_a_missing_password_file_is_told_before_the_first_probe(tmp_path: Path) -> None:
    assert Postgres(password_file=FILE).prepare() == f"password_file {FILE}: no such file or directory"
    assert Postgres().prepare() is None


@given(st.lists(st.binary(max_size=100)))
def test_any_bytes_end_in_a_verdict(play: Play, login: Callable[..., Postgres], pieces: list[bytes]) -> None:
    for check in (Postgres(), Postgres(starttls=Tls()), login(query="SELECT 1")):
        assert is_told(play(check, pieces))


@given(DAMAGES, st.integers(0, 80))
def test_damaged_answers_end_in_a_verdict(login: Callable[..., Postgres], damages: list[Damage], most: int) -> None:
    check = login(query="SELECT 1", expect="7")
    for server in (in_turn(asks(5, b"salt"), WELCOME, row(b"7") + END), ScramServer()):
        assert is_told(over_stream(check, damaging(server, damages), most=most)[0])
