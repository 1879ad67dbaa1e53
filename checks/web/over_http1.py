"""Requests in HTTP/1.0 and 1.1, one after another; connections persist where both sides let them (RFC 9112)."""

from collections.abc import Generator, Sequence

from checks import Conversation, Step, Verdict
from checks.web.plan import Asking
from checks.web.reply import Reply, WholeReply
from checks.web.sequence import failed, passed

MORE = Step()


def ask_once(asking: Asking) -> Conversation:
    """Send the only request and judge its reply, as early as can be."""
    judge = asking.judge
    reply = WholeReply(judge) if judge.body_wanted else Reply(judge)
    try:
        data = yield asking.step
        while data:
            verdict = reply.feed(data)
            if verdict is not None:
                return verdict
            data = yield MORE
        return reply.end()
    finally:
        reply.let_go()


def ask_in_order(askings: Sequence[Asking], *, persistent: bool) -> Conversation:
    """Send the requests until one fails, over as few connections as the server allows."""
    reusable = True
    verdict = Verdict(False, "nothing was asked")
    for number, asking in enumerate(askings, 1):
        last = number == len(askings)
        reply = yield from _exchange(asking, asking.step if reusable else asking.anew, last=last)
        if number > 1 and reusable and not reply.wire and asking.repeatable:
            # The server closed the connection while it was idle, as it may (RFC 9112 section 9.5).
            reply = yield from _exchange(asking, asking.anew, last=last)
        verdict = reply.end()
        if not verdict.passed:
            return failed(number, asking, verdict.reason)
        reusable = persistent and reply.reusable
    return passed(len(askings), verdict)


def _exchange(asking: Asking, step: Step, *, last: bool) -> Generator[Step, bytes, WholeReply]:
    reply = WholeReply(asking.judge, head_only=asking.request.method == "HEAD")
    try:
        data = yield step
        while data:
            verdict = reply.feed(data)
            if reply.complete or (verdict is not None and (last or not verdict.passed)):
                break
            data = yield MORE
    finally:
        reply.let_go()
    return reply
