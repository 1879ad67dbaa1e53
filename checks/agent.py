"""`agent`: a small program on the real server says in words how much work the server wants (HAProxy's agent-check)."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Literal

from checks import Check, Conversation, Step, Target, Verdict
from checks.options import Choice, Text, option
from checks.wire.inbox import PeerError
from checks.wire.said import LINE_END, Said, first_line, understood
from checks.wire.showing import shown

LONGEST_LINE = 4096
"""Bytes; HAProxy's bound is that of its buffers, 16 KiB."""

_down: dict[tuple["Agent", Target], str] = {}
"""Whose agent has said `down` and not yet `up`, with its word for it. One entry a real server at most."""


@dataclass(frozen=True, slots=True)
class Agent(Check):
    r"""Ask an agent on the server how much work it wants: `up`, `down`, `drain`, `maint`, `ready`, `75%`.

    The agent answers in one line, up to its end or the connection's. `down`, `failed` and `stopped` are failures until
    it says `up`; `drain` and `maint` take new connections away without a failure, `ready` gives them back; a percentage
    is a share of the configured weight. What an answer does not name stays as it was, and only the agent takes back
    what it said. Text after ` #` goes into the reason. `maxconn:30` is understood and not applied: IPVS has thresholds
    of its own. Other words are warned of and ignored. Weights and drains act at once; a failure is one like any other,
    of which it takes `fall` where HAProxy takes one.

    An agent that cannot be reached, or says nothing of this, changes nothing: whether the server is well is another
    check's to find out. Such a probe passes, unless the agent's last word on that was `down`.
    """

    type: ClassVar[str] = "agent"
    known_as: ClassVar[dict[str, str]] = {"haproxy": "agent-check"}

    send: str = option(
        Text(empty=True),
        r'Text to send first, in UTF-8; end it with "\n" if the agent waits for a line.',
        "",
        haproxy="agent-send",
    )
    unreachable: Literal["ignore", "fail"] = option(
        Choice(("ignore", "fail")),
        "Whether an agent that does not answer, or in no known word, leaves all as it was or has failed.",
        "ignore",
    )

    def converse(self, target: Target) -> Conversation:
        """Read a line and take it for the server's word."""
        try:
            said = understood((yield from self._line()))
        except PeerError as error:
            return self._nothing_said(target, str(error))
        unknown = f"the agent's word '{shown(said.unknown)}' is not known" if said.unknown else ""
        if said.nothing:
            return self._nothing_said(target, unknown or "the agent's line is empty")
        self._remember(target, said)
        return self._verdict(target, said, unknown)

    def unanswered(self, target: Target, reason: str) -> Verdict | None:
        """Let the agent's last word stand, unless its silence is to be a failure."""
        return None if self.unreachable == "fail" else self._nothing_said(target, reason)

    def _line(self) -> Generator[Step, bytes, bytes]:
        data = b""
        more = yield Step(self.send.encode())
        while more and LINE_END.search(more) is None:
            data += more
            if len(data) > LONGEST_LINE:
                raise PeerError(f"the agent sent a line of more than {LONGEST_LINE} bytes")
            more = yield Step()
        data = first_line(data + more)
        if not data and not more:
            raise PeerError("the connection closed without a word")
        return data

    def _verdict(self, target: Target, said: Said, warning: str) -> Verdict:
        reason = f"the agent says {said}"
        down = _down.get((self, target))
        if down is not None and not said.down:
            reason += f"; its last word on health, '{down}', stands"
        elif said.maxconn:
            reason += "; maxconn is not applied"
        return Verdict(down is None, reason, warning, said.feedback)

    def _nothing_said(self, target: Target, reason: str) -> Verdict:
        if self.unreachable == "fail":
            return Verdict(False, reason)
        down = _down.get((self, target))
        last = "its last word stands" if down is None else f"its last word, '{down}', stands"
        return Verdict(down is None, f"no answer from the agent ({reason}); {last}")

    def _remember(self, target: Target, said: Said) -> None:
        if said.down:
            _down[self, target] = said.health
        elif said.health:
            _down.pop((self, target), None)
