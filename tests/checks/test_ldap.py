"""What an LDAP server must answer, from bytes alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Step, Tls, Verdict
from checks.ldap import MOST_BYTES, RESULTS, Ldap
from checks.wire import ber
from tests.checks.talking import DAMAGES, Damage, damaging, in_turn, is_told, over_stream

Play = Callable[..., Verdict]


def message(number: int, tag: int, *parts: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.integer(number), ber.element(tag, *parts))


def result(code: int, text: bytes = b"", dn: bytes = b"") -> bytes:
    return ber.integer(code, ber.ENUMERATED) + ber.element(ber.OCTETS, dn) + ber.element(ber.OCTETS, text)


def entry(number: int, attribute: bytes, *values: bytes) -> bytes:
    pair = ber.element(ber.OCTETS, attribute) + ber.element(ber.SET, *(ber.element(ber.OCTETS, v) for v in values))
    return message(
        number,
        0x64,
        ber.element(ber.OCTETS, b"dc=example"),
        ber.element(ber.SEQUENCE, ber.element(ber.SEQUENCE, pair)),
    )


FILE = "/nowhere/password"
BOUND = message(1, 0x61, result(0))
DONE = message(2, 0x65, result(0))
SEARCH = Ldap(base="dc=example", attribute="o", expect="Shop")


@pytest.fixture
def password(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text("hush\n")
    return str(path)


@given(st.integers(0, 2**31 - 1))
def test_a_number_is_the_same_after_it_was_written(value: int) -> None:
    [(tag, content)] = ber.elements(ber.integer(value))
    assert (tag, ber.number(content)) == (ber.INTEGER, value)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=5))
def test_elements_are_the_same_after_they_were_written(items: list[tuple[int, bytes]]) -> None:
    assert list(ber.elements(b"".join(ber.element(tag, content) for tag, content in items))) == items


def test_an_anonymous_bind_is_asked_for_and_then_unbound() -> None:
    verdict, steps = over_stream(Ldap(), lambda _: BOUND)
    assert verdict == Verdict(True, "anonymous bind accepted")
    # RFC 4511 section 4.2: bindRequest, version 3, no name, simple with no password; section 4.3: unbindRequest
    assert [step.send.hex() for step in steps] == ["300c020101600702010304008000", "30050201024200"]


@given(st.integers(0, 80))
def test_an_entry_with_the_value_passes_however_the_answers_are_cut(most: int) -> None:
    server = in_turn(BOUND, entry(2, b"o", b"Other", b"Shop") + DONE)
    assert over_stream(SEARCH, server, most=most)[0] == Verdict(True, "o of dc=example is 'Shop'")


@pytest.mark.parametrize(
    ("bound", "found", "reason"),
    [
        (BOUND, entry(2, b"o", b"Shup") + DONE, "o of dc=example is not 'Shop' but 'Shup'"),
        (BOUND, entry(2, b"o", b"a", b"b") + DONE, "o of dc=example is not 'Shop' but 2 values"),
        (BOUND, entry(2, b"o") + DONE, "o of dc=example is not 'Shop' but no values"),
        (BOUND, DONE, "dc=example was not found, or may not be read"),
        (BOUND, message(2, 0x65, result(32)), "search for dc=example: no such object (32)"),
        (BOUND, DONE[:-1], "the connection closed in the middle of an LDAP answer"),
        (BOUND, b"", "the connection closed without an LDAP answer"),
        (BOUND, entry(2, b"o", b"Shop") * 20, "the server sent 16 messages and no end of the search"),
        (message(2, 0x61, result(0)), b"", "the server answered request 2, not 1"),
        (message(1, 0x65, result(0)), b"", "the server answered with an LDAP message of another kind (tag 0x65)"),
        (b"220 mail.example ESMTP\r\n", b"", "the server does not speak LDAP"),
        (message(0, 0x78, result(52, b"going")), b"", "the server hung up: unavailable (52): going"),
        (message(1, 0x61, b""), b"", "malformed message: an element is missing"),
    ],
)
def test_what_is_wrong_is_told(bound: bytes, found: bytes, reason: str) -> None:
    assert over_stream(SEARCH, in_turn(bound, found))[0] == Verdict(False, reason)


def test_a_message_that_is_announced_too_long_is_not_waited_for() -> None:
    verdict, _ = over_stream(Ldap(), in_turn(bytes.fromhex("3084ffffffff")))
    assert verdict == Verdict(
        False, f"the server announced a message of 4294967295 bytes; at most {MOST_BYTES} are read"
    )


@pytest.mark.parametrize("code", sorted(RESULTS))
def test_every_refusal_is_told_by_name_and_number(code: int) -> None:
    verdict, _ = over_stream(Ldap(), in_turn(message(1, 0x61, result(code, b"because\x1b[2J"))))
    assert verdict == Verdict(False, f"anonymous bind: {RESULTS[code]} ({code}): because\\x1b[2J")


def test_a_password_is_sent_and_not_shown(password: str) -> None:
    verdict, [bind, _] = over_stream(Ldap(bind_dn="cn=monitor", password_file=password), lambda _: BOUND)
    assert verdict == Verdict(True, "bound as cn=monitor")
    assert b"hush" in bind.send
    assert bind.shown is not None
    assert b"hush" not in bind.shown


def test_a_password_that_the_server_repeats_is_not_told(password: str) -> None:
    refusal = message(1, 0x61, result(49, b"not 'hush'"))
    verdict, _ = over_stream(Ldap(bind_dn="cn=monitor", password_file=password), in_turn(refusal))
    assert verdict == Verdict(False, "bind: invalid credentials (49): not '***'")


def test_starttls_begins_tls_before_the_bind() -> None:
    def server(step: Step) -> bytes:
        return message(1, 0x78, result(0)) if b"1.3.6.1.4.1.1466.20037" in step.send else message(2, 0x61, result(0))

    settings = Tls(server_name="ldap.example")
    verdict, steps = over_stream(Ldap(starttls=settings), server)
    assert verdict.passed
    assert [step.secure for step in steps] == [None, settings, None, None]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (message(1, 0x78, result(2, b"unsupported")), "StartTLS: protocol error (2): unsupported"),
        (
            message(1, 0x78, result(0)) + message(2, 0x61, result(0)),
            "the server said more in clear after it had agreed to TLS",
        ),
    ],
)
def test_without_tls_nothing_more_is_said(answer: bytes, reason: str, password: str) -> None:
    check = Ldap(bind_dn="cn=monitor", password_file=password, starttls=Tls())
    verdict, steps = over_stream(check, lambda _: answer)
    assert (verdict, len(steps)) == (Verdict(False, reason), 1)


@pytest.mark.parametrize(
    ("check", "option"),
    [
        (Ldap(bind_dn="cn=monitor"), "bind_dn"),
        (Ldap(password_file=FILE), "password_file"),
        (Ldap(attribute="o"), "attribute"),
        (Ldap(base="", expect="x"), "expect"),
        (Ldap(tls=Tls(), starttls=Tls()), "starttls"),
    ],
)
def test_options_that_do_not_go_together_are_told(check: Ldap, option: str) -> None:
    assert [name for name, _ in check.faults()] == [option]


def test_a_missing_password_file_is_told_before_the_first_probe() -> None:
    fault = Ldap(bind_dn="cn=x", password_file=FILE).prepare()
    assert fault == f"password_file {FILE}: no such file or directory"
    assert Ldap().prepare() is None


@given(st.lists(st.binary(max_size=100)))
def test_any_bytes_end_in_a_verdict(play: Play, pieces: list[bytes]) -> None:
    assert is_told(play(SEARCH, pieces))


@given(DAMAGES, st.integers(0, 80))
def test_damaged_answers_end_in_a_verdict(damages: list[Damage], most: int) -> None:
    server = damaging(in_turn(BOUND, entry(2, b"o", b"Shop") + DONE), damages)
    assert is_told(over_stream(SEARCH, server, most=most)[0])
