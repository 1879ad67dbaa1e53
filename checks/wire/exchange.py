"""One turn of a plain conversation: something is said, and something must come."""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from checks import Step
from checks.options import Regex, Text, option
from checks.wire.hexadecimal import HEX
from checks.wire.inbox import PeerError
from checks.wire.searching import found
from checks.wire.showing import shown

EXPECTATIONS = ("expect", "expect_hex", "expect_regex")
MORE = Step()


@dataclass(frozen=True, slots=True)
class Exchange:
    """What to say, if anything, and what must come then, if anything must."""

    send: str | None = option(
        Text(),
        'Text to send, as UTF-8; in double quotes YAML knows "\\r\\n".',
        None,
        ldirectord="request",
        haproxy="tcp-check send",
    )
    send_hex: str | None = option(HEX, "Bytes to send instead, in hexadecimal.", None, haproxy="tcp-check send-binary")
    expect: str | None = option(
        Text(), "Text that must come, compared as UTF-8 bytes.", None, haproxy="tcp-check expect string"
    )
    expect_hex: str | None = option(
        HEX, "Bytes that must come, in hexadecimal.", None, haproxy="tcp-check expect binary"
    )
    expect_regex: re.Pattern[str] | None = option(
        Regex(),
        "Regular expression to find in what comes, read as UTF-8; what is not valid becomes U+FFFD.",
        None,
        ldirectord="receive",
        haproxy="tcp-check expect rstring",
    )

    @property
    def said(self) -> bytes:
        """Return what is sent."""
        return bytes.fromhex(self.send_hex) if self.send_hex is not None else (self.send or "").encode()

    @property
    def expecting(self) -> bool:
        """Whether anything must come."""
        return any(getattr(self, name) is not None for name in EXPECTATIONS)

    def misfits(self, limit: int) -> Iterator[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong where at most `limit` bytes are looked at."""
        if self.send is not None and self.send_hex is not None:
            yield "send_hex", "there is send, too; keep one of them"
        given = [name for name in EXPECTATIONS if getattr(self, name) is not None]
        for name in given[1:]:
            yield name, f"there is {given[0]}, too; keep one of them"
        wanted = self._wanted()
        if wanted is not None and len(wanted) > limit:
            yield given[0], f"it needs {len(wanted)} bytes, more than reply_limit {limit}"

    def held(self, before: bytes, limit: int) -> Generator[Step, bytes, bytes]:
        """Speak and hear; return what came. `before` is what came in earlier turns, which counts until this one speaks.

        Raise PeerError if what is expected does not come within `limit` bytes.
        """
        said = self.said
        came = b"" if said else before
        if not self.expecting:
            yield Step(said, at_least=0)
            return came
        if came and self._is_in(came, 0):
            return came
        data = b"-" if len(came) >= limit else (yield Step(said))
        while data and len(came) < limit:
            known = len(came)
            came = (came + data)[:limit]
            if self._is_in(came, known):
                return came
            if len(came) < limit:
                data = yield MORE
        raise PeerError(self._missed(came, ended=not data))

    def _wanted(self) -> bytes | None:
        if self.expect_hex is not None:
            return bytes.fromhex(self.expect_hex)
        return None if self.expect is None else self.expect.encode()

    def _is_in(self, came: bytes, known: int) -> bool:
        """Say whether it has come; its first `known` bytes were looked at before."""
        wanted, pattern = self._wanted(), self.expect_regex
        if wanted is not None and came.find(wanted, max(0, known - len(wanted) + 1)) >= 0:
            return True
        return pattern is not None and found(pattern, came.decode("utf-8", "replace"))

    def _missed(self, came: bytes, *, ended: bool) -> str:
        if self.expect_hex is not None:
            what = f"do not contain {shown(self.expect_hex)}"
        elif self.expect is not None:
            what = f"do not contain '{shown(self.expect)}'"
        else:
            what = f"do not match /{shown(self.expect_regex.pattern if self.expect_regex else '')}/"
        if not ended:
            return f"the first {len(came)} bytes {what}: '{shown(came)}'"
        if not came:
            return "the connection closed without a reply"
        return f"the connection closed after {len(came)} bytes that {what}: '{shown(came)}'"
