"""Requests over one HTTP/2 connection, one after another; a new one where the server takes leave in good order."""

from collections.abc import Generator, Sequence

from checks import Conversation, Step, Verdict
from checks.web.body import Body, codings_of
from checks.web.http2 import NotTakenError, Received, Session, status_of
from checks.web.judge import Judge
from checks.web.plan import Asking
from checks.web.request import body_of
from checks.web.sequence import failed, passed
from checks.wire.inbox import PeerError

CONNECTION_FIELDS = frozenset({"host", "connection"})


def ask_over_http2(askings: Sequence[Asking], scheme: str) -> Conversation:
    """Send the requests until one fails."""
    session = Session()
    verdict = Verdict(False, "nothing was asked")
    for number, asking in enumerate(askings, 1):
        try:
            session, verdict = yield from _ask(session, asking, scheme, first=number == 1)
        except PeerError as error:
            verdict = Verdict(False, str(error))
        if not verdict.passed:
            return failed(number, asking, verdict.reason) if len(askings) > 1 else verdict
    return passed(len(askings), verdict) if len(askings) > 1 else verdict


def _ask(
    session: Session, asking: Asking, scheme: str, *, first: bool
) -> Generator[Step, bytes, tuple[Session, Verdict]]:
    """Ask on the connection that there is, or on a new one where the server took leave before it took the request."""
    if not session.going_away:
        try:
            session.leave()
            return session, (yield from _exchange(session, asking, scheme))
        except NotTakenError:
            if first or not asking.repeatable:
                raise
    session = Session()
    return session, (yield from _exchange(session, asking, scheme, reconnect=True))


def _exchange(
    session: Session, asking: Asking, scheme: str, *, reconnect: bool = False
) -> Generator[Step, bytes, Verdict]:
    reply = JudgedReply(asking.judge)
    fields, body = pseudo(asking, scheme), body_of(asking.request)
    yield from session.exchange(fields, body, reply, asking.step.shown or b"", reconnect=reconnect)
    return reply.verdict or Verdict(False, "the reply ended before it began")


def pseudo(asking: Asking, scheme: str) -> list[tuple[str, str]]:
    """Return a request's fields as HTTP/2 has them (RFC 9113 sections 8.2 and 8.3.1)."""
    authority = next(value for name, value in asking.fields if name == "Host")
    request = asking.request
    first = [(":method", request.method), (":scheme", scheme), (":authority", authority), (":path", request.path)]
    return first + [(name.lower(), value) for name, value in asking.fields if name.lower() not in CONNECTION_FIELDS]


class JudgedReply:
    """A reply on its way to a verdict."""

    __slots__ = ("_body", "_judge", "_status", "verdict")

    def __init__(self, judge: Judge) -> None:
        self.verdict: Verdict | None = None
        self._judge = judge
        self._status = 0
        self._body: Body | None = None

    @property
    def finished(self) -> bool:
        """Whether there is a verdict."""
        return self.verdict is not None

    def take_head(self, fields: Received) -> None:
        """Judge the status."""
        self._status = status_of(fields)
        verdict = self._judge.status(self._status, b"")
        if not verdict.passed or not self._judge.body_wanted:
            self.verdict = verdict
            return
        codings = [coding for name, value in fields if name == b"content-encoding" for coding in codings_of(value)]
        self._body = Body(codings, self._judge.body_wanted)

    def take_data(self, data: bytes) -> None:
        """Judge the body once there is enough of it."""
        if self._body is not None and self._body.is_enough_with(data):
            self.take_end()

    def take_trailers(self, fields: Received) -> None:
        """Let trailers be."""

    def take_end(self) -> None:
        """Judge the body."""
        if self._body is not None and self.verdict is None:
            self.verdict = self._judge.body(self._status, b"", bytes(self._body.data))
