"""`tcp`: the server accepts a connection, over TLS if asked, and says what is expected of it, if anything is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from checks import Check, Conversation, ProxyProtocol, Step, Target, Tls, Verdict
from checks.options import Choice, Integer, ListOf, Record, option
from checks.wire.exchange import Exchange
from checks.wire.inbox import PeerError, judged
from checks.wire.searching import prepare_to_search
from checks.wire.showing import shown

CONNECTED = Verdict(True, "connected")
CONNECTED_OVER_TLS = Verdict(True, "connected over TLS")
ONLY_CONNECT = Step(at_least=0)
MOST_EXCHANGES = 50


@dataclass(frozen=True, slots=True)
class Tcp(Exchange, Check):
    """Connect, over TLS if asked; then, if wanted, send something and expect something, once or several times.

    The server is well as soon as what is expected has come, whatever else it says before or after. A greeting is
    awaited by a first exchange that only expects. What came in one exchange counts in the next, too, unless that sends.
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
    exchanges: tuple[Exchange, ...] = option(
        ListOf(Record(Exchange)),
        "Several exchanges in place of one, each heard out before the next; they end with the first that fails.",
        (),
        haproxy="tcp-check send, tcp-check expect",
    )
    reply_limit: int = option(
        Integer(1, 65536, "bytes"), "Bytes that may come before what is expected has come with them.", 4096
    )

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        yield from self.misfits(self.reply_limit)
        if len(self.exchanges) > MOST_EXCHANGES:
            yield "exchanges", f"at most {MOST_EXCHANGES}"
        for number, exchange in enumerate(self.exchanges):
            yield from (("exchanges", f"[{number}].{key}: {text}") for key, text in exchange.misfits(self.reply_limit))
            if not exchange.said and not exchange.expecting:
                yield "exchanges", f"[{number}]: nothing is sent and nothing expected"
        if self.exchanges and (self.said or self.expecting):
            yield "exchanges", "there is one of its own, too; let it be the first of them"

    def prepare(self) -> str | None:
        """Import what searches, if anything is to be searched."""
        if any(each.expect_regex is not None for each in (self, *self.exchanges)):
            prepare_to_search()
        return None

    @property
    def on_connect(self) -> Verdict | None:
        """Return that it passed where nothing is to be said and nothing expected: being connected is the answer."""
        if not self.exchanges and self.send is None and self.send_hex is None and not self.expecting:
            return CONNECTED if self.tls is None else CONNECTED_OVER_TLS
        return None

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  nothing that is said depends on the address
        """Say what is to be said, if anything, and wait for what is expected."""
        if self.on_connect is not None:
            return self._connect(self.on_connect)
        return judged(self._several() if self.exchanges else self._only())

    def _connect(self, verdict: Verdict) -> Conversation:
        yield ONLY_CONNECT
        return verdict

    def _only(self) -> Conversation:
        came = yield from self.held(b"", self.reply_limit)
        return Verdict(True, self._passed(self, came))

    def _several(self) -> Conversation:
        came, count = b"", len(self.exchanges)
        for number, exchange in enumerate(self.exchanges, 1):
            try:
                came = yield from exchange.held(came, self.reply_limit)
            except PeerError as error:
                raise PeerError(f"exchange {number} of {count}: {error}") from error
        return Verdict(True, f"{self._passed(self.exchanges[-1], came)}, the last of {count} exchanges")

    def _passed(self, last: Exchange, came: bytes) -> str:
        if last.expecting:
            return f"'{shown(came)}' came, as expected"
        return f"{'connected' if self.tls is None else 'connected over TLS'}, {len(last.said)} bytes sent"
