"""What a RADIUS server must answer, from bytes alone; the server here is written from the RFCs a second time."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Step, UnusableError, Verdict
from checks.radius import Radius, obscured
from tests.checks.talking import DAMAGES, TARGET, Damage, is_told, over_datagrams

SECRET = b"xyzzy5461"
ACCEPT, REJECT, CHALLENGE = 2, 3, 11


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("radius")
    for name, content in {"secret": SECRET, "password": b"arctangent", "long": b"x" * 129}.items():
        (folder / name).write_bytes(content + b"\n")
    return {path.name: str(path) for path in folder.iterdir()}


@pytest.fixture(scope="module")
def status(files: dict[str, str]) -> Radius:
    return Radius(secret_file=files["secret"])


@pytest.fixture(scope="module")
def access(files: dict[str, str]) -> Callable[..., Radius]:
    def made(**options: Any) -> Radius:
        return Radius(
            secret_file=files["secret"],
            kind="access-request",
            username="nemo",
            password_file=files["password"],
            **options,
        )

    return made


def test_evidence_says_what_is_asked_and_holds_nothing_that_was_made_with_the_secret(
    status: Radius, access: Callable[..., Radius]
) -> None:
    assert next(status.converse(TARGET)).shown == b"Status-Server"
    assert next(access().converse(TARGET)).shown == b"Access-Request for nemo"


def attributes(packet: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 20
    while at < len(packet):
        found.append((packet[at], packet[at + 2 : at + packet[at + 1]]))
        at += packet[at + 1]
    return found


def reply(request: bytes, code: int, *extra: bytes, prove: bool = True, secret: bytes = SECRET) -> bytes:
    """Make a reply (RFC 2865 section 3), by default with a Message-Authenticator (RFC 3579 section 3.2)."""
    body = b"".join(extra)
    size = 20 + len(body) + 18 * prove
    header = bytes((code, request[1])) + size.to_bytes(2, "big")
    if prove:
        proof = hmac.new(secret, header + request[4:20] + b"\x50\x12" + bytes(16) + body, "md5").digest()
        body = b"\x50\x12" + proof + body
    return header + hashlib.md5(header + request[4:20] + body + secret).digest() + body  # noqa: S324  as the RFC has it


def message(text: bytes) -> bytes:
    return bytes((18, 2 + len(text))) + text


def test_a_password_is_hidden_as_in_the_rfc() -> None:
    # RFC 2865 section 7.1
    authenticator = bytes.fromhex("0f403f9473978057bd83d5cb98f4227a")
    assert obscured(b"arctangent", SECRET, authenticator).hex() == "0dbe708d93d413ce3196e43f782a0aee"


def test_a_long_password_is_hidden_block_by_block() -> None:
    authenticator = bytes(range(16))
    first = hashlib.md5(SECRET + authenticator).digest()  # noqa: S324  as the RFC has it
    one = bytes(a ^ b for a, b in zip(b"0123456789abcdef", first, strict=True))
    second = hashlib.md5(SECRET + one).digest()  # noqa: S324
    assert obscured(b"0123456789abcdefg", SECRET, authenticator)[16:] == bytes((ord("g") ^ second[0],)) + second[1:]


def test_a_request_proves_itself_and_hides_the_password(access: Callable[..., Radius]) -> None:
    _, [step, *_] = over_datagrams(access(), lambda _: [])
    packet = step.send
    found = attributes(packet)
    assert (packet[0], int.from_bytes(packet[2:4], "big")) == (1, len(packet))
    assert [number for number, _ in found] == [80, 32, 1, 2]
    assert dict(found)[1] == b"nemo"
    assert dict(found)[2] == obscured(b"arctangent", SECRET, packet[4:20])
    zeroed = packet[:22] + bytes(16) + packet[38:]
    assert dict(found)[80] == hmac.new(SECRET, zeroed, "md5").digest()


def test_a_status_request_names_no_user(status: Radius) -> None:
    verdict, [step] = over_datagrams(status, lambda step: [reply(step.send, ACCEPT)])
    assert verdict == Verdict(True, "the server is up")
    assert (step.send[0], [number for number, _ in attributes(step.send)]) == (12, [80, 32])


@pytest.mark.parametrize(
    ("expect", "code", "passed", "reason"),
    [
        ("accept", ACCEPT, True, "accept: hello"),
        ("accept", REJECT, False, "reject: hello, expected accept"),
        ("accept", CHALLENGE, False, "challenge: hello, expected accept"),
        ("reject", REJECT, True, "reject: hello"),
        ("reject", ACCEPT, False, "accept: hello, expected reject"),
        ("any", CHALLENGE, True, "challenge: hello"),
        ("any", REJECT, True, "reject: hello"),
        ("any", 13, False, "code 13: hello"),
    ],
)
def test_the_answer_must_be_the_expected_one(
    access: Callable[..., Radius], expect: str, code: int, passed: bool, reason: str
) -> None:
    verdict, _ = over_datagrams(access(expect=expect), lambda step: [reply(step.send, code, message(b"hello"))])
    assert verdict == Verdict(passed, reason)


def test_an_accounting_server_answers_a_status_request_in_its_own_way(status: Radius) -> None:
    # RFC 5997 section 3: Accounting-Response from an accounting port
    assert over_datagrams(status, lambda step: [reply(step.send, 5)])[0] == Verdict(True, "the server is up")
    assert over_datagrams(status, lambda step: [reply(step.send, REJECT)])[0] == Verdict(False, "reject")


@given(st.integers(0, 37), st.integers(1, 255))
def test_a_reply_with_any_byte_changed_is_ignored(access: Callable[..., Radius], at: int, flip: int) -> None:
    def server(step: Step) -> list[bytes]:
        forged = bytearray(reply(step.send, ACCEPT))
        forged[at] ^= flip
        return [bytes(forged), reply(step.send, REJECT)]

    assert over_datagrams(access(expect="any"), server)[0] == Verdict(True, "reject")


@pytest.mark.parametrize("prove", [True, False])
def test_a_reply_by_another_secret_is_ignored(status: Radius, prove: bool) -> None:
    verdict, _ = over_datagrams(status, lambda step: [reply(step.send, ACCEPT, prove=prove, secret=b"other")])
    assert verdict == Verdict(False, "no answer, asked 3 times")


def test_a_reply_whose_message_authenticator_alone_is_forged_is_ignored(status: Radius) -> None:
    def server(step: Step) -> list[bytes]:
        return [reply(step.send, ACCEPT, b"\x50\x12" + bytes(16), prove=False)]

    assert over_datagrams(status, server)[0] == Verdict(False, "no answer, asked 3 times")


def test_a_reply_without_message_authenticator_passes_unless_one_is_demanded(
    status: Radius, access: Callable[..., Radius]
) -> None:
    def server(step: Step) -> list[bytes]:
        return [reply(step.send, ACCEPT, prove=False)]

    assert over_datagrams(status, server)[0].passed
    assert over_datagrams(access(require_message_authenticator=True), server)[0] == Verdict(
        False, "the reply has no Message-Authenticator, so it may be forged (CVE-2024-3596, BlastRADIUS)"
    )


def test_a_request_without_a_reply_is_sent_again_as_it_was(status: Radius) -> None:
    seen: list[bytes] = []

    def server(step: Step) -> list[bytes]:
        seen.append(step.send)
        return [reply(step.send, ACCEPT)] if len(seen) == 2 else []

    assert over_datagrams(status, server)[0].passed
    assert len(set(seen)) == 1


def test_a_password_that_the_server_repeats_is_not_told(access: Callable[..., Radius]) -> None:
    verdict, _ = over_datagrams(access(), lambda step: [reply(step.send, REJECT, message(b"not arctangent!"))])
    assert verdict == Verdict(False, "reject: not ***!, expected accept")


def test_padding_behind_a_reply_is_not_looked_at(status: Radius) -> None:
    assert over_datagrams(status, lambda step: [reply(step.send, ACCEPT) + b"padding"])[0].passed


def test_a_password_that_cannot_be_sent_is_the_directors_own_fault(files: dict[str, str]) -> None:
    check = Radius(files["secret"], kind="access-request", username="nemo", password_file=files["long"])
    with pytest.raises(UnusableError, match="at most 128 bytes"):
        check.converse(TARGET)


def test_options_that_do_not_go_together_are_told(files: dict[str, str], access: Callable[..., Radius]) -> None:
    def told(check: Radius) -> list[str]:
        return [name for name, _ in check.faults()]

    assert told(access()) == []
    assert told(Radius("/secret")) == []
    assert told(Radius("/secret", kind="access-request")) == ["username", "password_file"]
    assert told(Radius("/secret", username="nemo", password_file="/p")) == ["username", "password_file"]  # noqa: S106  a path
    assert told(Radius("/secret", expect="any")) == ["expect"]
    assert told(access(expect="any")) == []
    assert told(Radius("/secret", kind="access-request", username="ü" * 127, password_file=files["password"])) == [
        "username"
    ]


def test_a_missing_secret_is_told_before_the_first_probe(status: Radius) -> None:
    assert Radius("/nowhere").prepare() == "secret_file /nowhere: no such file or directory"
    assert status.prepare() is None


@given(st.lists(st.binary(max_size=80)), DAMAGES)
def test_any_datagrams_end_in_a_verdict(status: Radius, strays: list[bytes], damages: list[Damage]) -> None:
    def server(step: Step) -> list[bytes]:
        right = reply(step.send, ACCEPT, message(b"hello"))
        return [*strays, *(damage(right) for damage in damages)]

    assert is_told(over_datagrams(status, server)[0])
