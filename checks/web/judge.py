"""What a reply's status and body must be: one judge a request, made once and kept."""

import hashlib
import hmac
import re

from checks import Verdict
from checks.web.json_values import unlike
from checks.web.options import OF_THE_BODY, Request
from checks.wire.inbox import PeerError
from checks.wire.searching import found
from checks.wire.secrets import text_without_secrets
from checks.wire.showing import LOOKED_AT, shown

SHOWN = 40
VERDICTS_KEPT = 64


class Judge:
    """Judges replies to one request. `body_wanted` is how many bytes of body it needs, decoded; 0 for none.

    `text_alone` is what must be in the body, if nothing else is looked for there.
    """

    __slots__ = ("_by_status", "_expect", "_reject", "_request", "body_wanted", "text_alone")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._expect = None if request.expect is None else request.expect.encode()
        self._reject = None if request.reject is None else request.reject.encode()
        self._by_status: dict[tuple[int, bytes], Verdict] = {}
        self.body_wanted = 0
        if any(getattr(request, name) for name in OF_THE_BODY):
            # Whether there is more than the limit matters only to what needs the whole body.
            whole = request.digest is not None or request.json != ()
            self.body_wanted = request.body_limit + whole
        others = (name for name in OF_THE_BODY if name != "expect")
        self.text_alone = None if any(getattr(request, name) for name in others) else self._expect

    def status(self, status: int, phrase: bytes) -> Verdict:
        """Judge a reply by its status line."""
        known = self._by_status.get((status, phrase))
        if known is None:
            known = self._judge_status(status, phrase)
            if len(self._by_status) < VERDICTS_KEPT and len(phrase) < SHOWN:
                self._by_status[status, phrase] = known
        return known

    def _judge_status(self, status: int, phrase: bytes) -> Verdict:
        statuses = self._request.status
        if not any(first <= status <= last for first, last in statuses):
            wanted = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in statuses)
            return Verdict(False, f"status {status}, expected {wanted}")
        words = phrase.decode("latin-1").strip()
        return Verdict(True, f"{status} {shorten(words)}" if words and words.isprintable() else f"{status}")

    def body(self, status: int, phrase: bytes, body: bytes) -> Verdict:
        """Judge a reply that passed by its status; `body` is all of it, or its first `body_wanted` bytes."""
        try:
            fault = self._fault(body)
        except PeerError as error:
            fault = str(error)
        return self.status(status, phrase) if fault is None else Verdict(False, f"{status}, but {fault}")

    def _fault(self, body: bytes) -> str | None:
        request = self._request
        beginning = body[: request.body_limit]
        cut = len(body) >= request.body_limit
        has = f"the first {request.body_limit} bytes of the body" if cut else "the body"
        lacks = f"{has} {'do' if cut else 'does'} not"
        contain, match = ("contain", "match") if cut else ("contains", "matches")
        if self._expect is not None and self._expect not in beginning:
            return f"{lacks} contain '{shorten(request.expect or '')}'"
        if self._reject is not None and self._reject in beginning:
            return f"{has} {contain} '{shorten(request.reject or '')}'"
        if request.expect_regex is not None or request.reject_regex is not None:
            text = beginning.decode("utf-8", "replace")
            if request.expect_regex is not None and not found(request.expect_regex, text):
                return f"{lacks} match {_pattern(request.expect_regex)}"
            if request.reject_regex is not None and found(request.reject_regex, text):
                return f"{has} {match} {_pattern(request.reject_regex)}"
        return self._fault_of_the_whole(body)

    def _fault_of_the_whole(self, body: bytes) -> str | None:
        request = self._request
        if request.digest is None and not request.json:
            return None
        if len(body) > request.body_limit:
            return f"the body is longer than {request.body_limit} bytes (body_limit), and all of it is needed"
        if request.digest is not None:
            algorithm, wanted = request.digest
            is_now = hashlib.new(algorithm, body, usedforsecurity=False).hexdigest()
            if not hmac.compare_digest(is_now, wanted):
                return f"the digest of the body is {algorithm}:{is_now}"
        return unlike(body, request.json) if request.json else None


def _pattern(pattern: re.Pattern[str]) -> str:
    return f"/{shorten(pattern.pattern)}/"


def shorten(text: str) -> str:
    """Return an operator's or a server's words, short and on one line."""
    if not text.isprintable():
        return shown(text, SHOWN)
    told = text_without_secrets(text[:LOOKED_AT])
    return told if len(told) <= SHOWN else f"{told[: SHOWN - 3]}..."
