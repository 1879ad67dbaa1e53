"""`tcp`: the server accepts a connection, over TLS if asked, and says what is expected of it, if anything is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import Check, Conversation, ProxyProtocol, Step, Target, Tls, Verdict
from checks.options import Choice, Integer, Record, Regex, Text, option
from checks.wire.hexadecimal import HEX
from checks.wire.inbox import PeerError, judged
from checks.wire.searching import found, prepare_to_search
from checks.wire.showing import shown

EXPECTATIONS = ("expect", "expect_hex", "expect_regex")
CONNECTED = Verdict(True, "connected")
CONNECTED_OVER_TLS = Verdict(True, "connected over TLS")
ONLY_CONNECT = Step(at_least=0)
MORE = Step()


@dataclass(frozen=True, slots=True)
class Tcp(Check):
    """Connect, over TLS if asked; then, if wanted, send something and expect something.

    The server is well as soon as what is expected has come, whatever else it says before or after.
    """

    type: ClassVar[str] = "tcp"
    known_as: ClassVar[dict[str, str]] = {
        "keepalived": "TCP_CHECK",
        "ldirectord": "checktype = connect, service = simpletcp, service = nntp",
        "haproxy": "option tcp-check",
    }

    tls: Tls | None = option(
        Record(Tls), "Wrap the connection in TLS; {} for every default.", None, haproxy="check-ssl"
    )
    proxy_protocol: ProxyProtocol | None = option(
        Choice(("v1", "v2")),
        "Version of the PROXY protocol header that goes before everything else; default: none.",
        None,
        haproxy="check-send-proxy",
    )
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
    reply_limit: int = option(
        Integer(1, 65536, "bytes"), "Bytes that may come before what is expected has come with them.", 4096
    )

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        if self.send is not None and self.send_hex is not None:
            yield "send_hex", "there is send, too; keep one of them"
        given = [name for name in EXPECTATIONS if getattr(self, name) is not None]
        for name in given[1:]:
            yield name, f"there is {given[0]}, too; keep one of them"
        wanted = self._wanted()
        if wanted is not None and len(wanted) > self.reply_limit:
            yield given[0], f"it needs {len(wanted)} bytes, more than reply_limit {self.reply_limit}"

    def prepare(self) -> str | None:
        """Import what searches, if anything is to be searched."""
        if self.expect_regex is not None:
            prepare_to_search()
        return None

    @property
    def on_connect(self) -> Verdict | None:
        """Return that it passed where nothing is to be said and nothing expected: being connected is the answer."""
        if self.send is None and self.send_hex is None and not any(getattr(self, name) for name in EXPECTATIONS):
            return CONNECTED if self.tls is None else CONNECTED_OVER_TLS
        return None

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  nothing that is said depends on the address
        """Say what is to be said, if anything, and wait for what is expected."""
        if self.on_connect is not None:
            return self._connect(self.on_connect)
        return judged(self._talk())

    def _wanted(self) -> bytes | None:
        if self.expect_hex is not None:
            return bytes.fromhex(self.expect_hex)
        return None if self.expect is None else self.expect.encode()

    def _connect(self, verdict: Verdict) -> Conversation:
        yield ONLY_CONNECT
        return verdict

    def _talk(self) -> Conversation:
        send = bytes.fromhex(self.send_hex) if self.send_hex is not None else (self.send or "").encode()
        wanted, pattern = self._wanted(), self.expect_regex
        if wanted is None and pattern is None:
            yield Step(send, at_least=0)
            return Verdict(True, f"{'connected' if self.tls is None else 'connected over TLS'}, {len(send)} bytes sent")
        came = b""
        data = yield Step(send)
        while data and len(came) < self.reply_limit:
            before = len(came)
            came = (came + data)[: self.reply_limit]
            if wanted is not None and came.find(wanted, max(0, before - len(wanted) + 1)) >= 0:
                return Verdict(True, f"{_shown(came)} came, as expected")
            if pattern is not None and found(pattern, came.decode("utf-8", "replace")):
                return Verdict(True, f"{_shown(came)} came, as expected")
            if len(came) < self.reply_limit:
                data = yield MORE
        raise PeerError(self._missed(came, ended=not data))

    def _missed(self, came: bytes, *, ended: bool) -> str:
        if self.expect_hex is not None:
            what = f"do not contain {shown(self.expect_hex)}"
        elif self.expect is not None:
            what = f"do not contain '{shown(self.expect)}'"
        else:
            what = f"do not match /{shown(self.expect_regex.pattern if self.expect_regex else '')}/"
        if not ended:
            return f"the first {len(came)} bytes {what}: {_shown(came)}"
        if not came:
            return "the connection closed without a reply"
        return f"the connection closed after {len(came)} bytes that {what}: {_shown(came)}"


def _shown(came: bytes) -> str:
    return f"'{shown(came)}'"
