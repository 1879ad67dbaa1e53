"""`udp`: a datagram, and what may or must come back."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from checks import SILENCE, CarrierName, Check, Conversation, Step, Target, Verdict
from checks.options import Choice, Duration, Integer, Regex, Text, option, show_seconds
from checks.wire.hexadecimal import HEX, HEX_PATTERN, begins_like, pairs
from checks.wire.inbox import judged
from checks.wire.searching import found, prepare_to_search
from checks.wire.showing import shown

PAYLOAD = b"healthlb\n"
"""What is sent by default: text, so that whoever finds it in a log or a capture knows where it came from."""
MOST_PAYLOAD = 65507
"""What a datagram holds over IPv4 (RFC 768): 65,535 bytes without the headers."""


@dataclass(frozen=True, slots=True)
class Udp(Check):
    """Send a datagram; a reply must be as expected, silence passes unless one is required, port unreachable fails."""

    type: ClassVar[str] = "udp"
    known_as: ClassVar[dict[str, str]] = {"keepalived": "UDP_CHECK"}

    send: str | None = option(Text(), "Text to send, as UTF-8; default: healthlb and a line feed.", None)
    send_hex: str | None = option(HEX, "Bytes to send instead, in hexadecimal.", None, keepalived="payload")
    reply: Literal["required", "allowed"] | None = option(
        Choice(("required", "allowed")),
        "Whether silence fails (required) or passes (allowed); default: required if something is expected.",
        None,
        keepalived="require_reply",
    )
    expect: str | None = option(Text(), "Text that the reply must contain, compared as UTF-8 bytes.", None)
    expect_hex: str | None = option(
        HEX_PATTERN,
        "Bytes that the reply must begin with, in hexadecimal, X for any digit.",
        None,
        keepalived="require_reply",
    )
    expect_regex: re.Pattern[str] | None = option(
        Regex(), "Regular expression to find in the reply, read as UTF-8; what is not valid becomes U+FFFD.", None
    )
    min_reply_length: int = option(
        Integer(0, 65535), "Bytes that a reply must have at least.", 0, keepalived="min_reply_length"
    )
    max_reply_length: int = option(
        Integer(0, 65535), "Bytes that a reply may have at most.", 65535, keepalived="max_reply_length"
    )
    wait: float = option(
        Duration(0.001, 3600.0),
        "How long a reply is waited for before the datagram is sent again or, where silence passes, the check does; "
        "all of it within timeout.",
        0.5,
    )
    retries: int = option(Integer(0, 100), "How often the datagram is sent again after silence.", 0)

    @property
    def carrier(self) -> CarrierName:
        """Return that this conversation is one of datagrams."""
        return "datagram"

    @property
    def takes(self) -> float:
        """Return how long silence lasts before it passes."""
        return 0.0 if _required(self) else self.wait * (self.retries + 1)

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        return _faults(self)

    def prepare(self) -> str | None:
        """Import what searches, if anything is to be searched."""
        if self.expect_regex is not None:
            prepare_to_search()
        return None

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  nothing that is said depends on the address
        """Send, wait and judge what comes."""
        return judged(_talk(self, _payload(self)))


def _payload(check: Udp) -> bytes:
    if check.send_hex is not None:
        return bytes.fromhex(check.send_hex)
    return PAYLOAD if check.send is None else check.send.encode()


def _faults(check: Udp) -> Iterator[tuple[str, str]]:
    if check.send is not None and check.send_hex is not None:
        yield "send_hex", "there is send, too; keep one of them"
    name = "send" if check.send_hex is None else "send_hex"
    if len(_payload(check)) > MOST_PAYLOAD:
        yield name, f"a datagram holds {MOST_PAYLOAD} bytes at most"
    if check.min_reply_length > check.max_reply_length:
        yield (
            "min_reply_length",
            f"no reply has as many bytes and no more than max_reply_length {check.max_reply_length}",
        )
    least = max(
        len(pairs(check.expect_hex)) if check.expect_hex else 0, len(check.expect.encode()) if check.expect else 0
    )
    if least > check.max_reply_length:
        name = "expect_hex" if check.expect_hex is not None and len(pairs(check.expect_hex)) == least else "expect"
        yield name, f"it needs {least} bytes, more than max_reply_length {check.max_reply_length}"


def _required(check: Udp) -> bool:
    expecting = any(each is not None for each in (check.expect, check.expect_hex, check.expect_regex))
    return check.reply == "required" or (check.reply is None and expecting)


def _talk(check: Udp, payload: bytes) -> Conversation:
    required = _required(check)
    for left in range(check.retries, -1, -1):
        # A reply that is required may take all the time that the probe has left.
        data = yield Step(payload, patience=None if required and not left else check.wait)
        if data is not SILENCE:
            return _judge(check, data)
    silence = show_seconds(check.wait * (check.retries + 1))
    return Verdict(True, f"no reply and no port unreachable within {silence}")


def _judge(check: Udp, data: bytes) -> Verdict:
    size = f"a reply of {len(data)} bytes"
    if len(data) < check.min_reply_length:
        return Verdict(False, f"{size}, expected at least {check.min_reply_length}")
    if len(data) > check.max_reply_length:
        return Verdict(False, f"{size}, expected at most {check.max_reply_length}")
    if check.expect is not None and check.expect.encode() not in data:
        return Verdict(False, f"{size} that does not contain '{shown(check.expect)}': '{shown(data)}'")
    if check.expect_hex is not None and not begins_like(data, check.expect_hex):
        return Verdict(False, f"{size} that does not begin with {shown(check.expect_hex)}: {shown(data[:32].hex(' '))}")
    pattern = check.expect_regex
    if pattern is not None and not found(pattern, data.decode("utf-8", "replace")):
        return Verdict(False, f"{size} that does not match /{shown(pattern.pattern)}/: '{shown(data)}'")
    return Verdict(True, size)
