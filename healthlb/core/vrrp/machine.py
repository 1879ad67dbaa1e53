"""The state machine of one virtual router: RFC 9568 section 6.4, and RFC 3768 section 6.4 where version 2 differs.

Every method takes `now` (seconds, monotonic) and returns what is to be done, in order. A caller delivers packets that
wait before it calls `timer`: a master that was heard is not dead.

What it does beyond the letter, each as operators know it from keepalived:
- FAULT: an instance that may not be master; it is started again when it is mended.
- A preempt delay lets a master of lower priority be for a time; a start delay lets everybody be.
- A MASTER that hears a lower priority tells the neighbours where the addresses are once more, not only its advert
  (section 6.4.3 has the advert alone, RFC 3768 neither): after a partition they know the other one.
- Somebody who says that an address of ours is his (ARP, neighbour advertisements) is a sign of another master; the
  neighbours are told anew where it is, as RFC 5227 section 2.4 (c) has an address defended.
- A BACKUP that takes over from a master who serves has the addresses, and tells the neighbours, before its first advert
  (section 6.4.2 names the advert first): the other one gives them up at that advert, and no client is without.
- A MASTER that gives way sends a last advert of its own, so that the winner, if it was master all the time, does that.
- `hand_over` yields to whoever is master, of whatever priority, until `take_back` or until nobody is.
- Who gives way by order (`hand_over`, a gentle `stop`) has the addresses until its successor is heard (`parting`).
"""

from ipaddress import ip_address
from typing import Final

from healthlb.core.vrrp.announcing import Repeats, following
from healthlb.core.vrrp.outputs import (
    Announce,
    Became,
    GiveAddresses,
    NewMaster,
    Output,
    SendAdvert,
    TakeAddresses,
)
from healthlb.core.vrrp.packet import STOPPED, Advert
from healthlb.core.vrrp.parting import LONGEST, Parting
from healthlb.core.vrrp.settings import Settings
from healthlb.core.vrrp.split import QUIET, SplitWatch
from healthlb.model.vrrp import OWNER, VrrpState

ANSWER_PAUSE: Final = 0.01
"""Seconds from one answer to the next: what others send at any rate makes us send at most one advert in so long."""
ANNOUNCE_PAUSE: Final = 1.0
"""Seconds from one announcement that answers another master to the next."""
DEFEND_PAUSE: Final = 10.0
"""Seconds from one defence of an address to the next (DEFEND_INTERVAL of RFC 5227 section 1.1)."""
SETTLING: Final = 2.0
"""Seconds of a mastership in which our predecessor may still say that the addresses are his."""


class Machine:
    """One virtual router; the only place where its state changes.

    To be read by everyone: `state`, `priority` (the effective one), `yielded`, `faults`, `ready` (a member of a group
    would be MASTER, for the reason `why_ready`), `interval` (Active_Adver_Interval, seconds), `became_master_total`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state: VrrpState = "INIT"
        self.priority = settings.priority
        self.yielded = False
        self.faults: tuple[str, ...] = ()
        self.ready = False
        self.interval = settings.interval
        self.became_master_total = 0
        self._master = b""
        self._master_priority = 0
        self._master_heard = 0.0
        self._master_since = 0.0
        self._advert_at = 0.0
        self._answered_at = self._announced_at = float("-inf")
        self._defend_at: float | None = None
        self._down_from = 0.0
        self._down_soon = False
        self._preempt_at: float | None = None
        self.why_ready = ""
        self._repeats = Repeats(settings.announcing)
        self._split = SplitWatch()
        self._parting = Parting()

    @property
    def parting(self) -> bool:
        """Whether it still has its addresses though it is MASTER no more, until the next one is heard."""
        return self._parting.until is not None

    @property
    def master(self) -> str:
        """The address of the current master as text: ours while MASTER, empty while nobody is known."""
        master = self.settings.source if self.state == "MASTER" else self._master
        return str(ip_address(master)) if master else ""

    @property
    def master_priority(self) -> int:
        """The priority that the current master adverts, 0 while nobody is known."""
        return self.priority if self.state == "MASTER" else self._master_priority

    @property
    def split_brain(self) -> str:
        """Who else acts as master while we are one, and how it shows; empty for nobody."""
        return str(self._split)

    @property
    def skew(self) -> float:
        """Skew_Time in seconds (RFC 9568 section 6.1; RFC 3768 section 6.1 knows seconds alone)."""
        return (256 - self.priority) * (self.interval if self.settings.version == 3 else 1.0) / 256

    @property
    def down_interval(self) -> float:
        """Active_Down_Interval in seconds (RFC 9568 section 6.1)."""
        return 3 * self.interval + self.skew

    def next_timer(self) -> float | None:
        """Return when `timer` is to be called, None for never as things are."""
        if self.state == "MASTER":
            times = (self._advert_at, self._repeats.next_timer(), self._split.next_timer(), self._defend_at)
            return min(at for at in times if at is not None)
        down = self._down_at if self.state == "BACKUP" and not self.ready else None
        return min((at for at in (down, self._parting.until) if at is not None), default=None)

    def start(self, now: float) -> list[Output]:
        """Begin: the Startup event of section 6.4.1, or FAULT. Nothing if it has begun."""
        if self.state != "INIT":
            return []
        if self.faults:
            return self._enter_fault(now)
        return self._startup(now, self.settings.start_delay, "it starts")

    def stop(self, now: float, *, gently: bool = False) -> list[Output]:
        """End: the Shutdown event; a MASTER says so with priority 0 (sections 6.4.2 and 6.4.3).

        `gently` leaves it its addresses until `parting` is over; without that they are given up now.
        """
        if self.state == "INIT":
            return [] if gently else self._parting.end()
        longest = min(LONGEST, self.settings.interval if self.settings.version == 3 else 1.0)
        if not gently:
            outputs = [*self._leave_master(now, STOPPED), *self._parting.end()]
        elif self.state == "MASTER":
            outputs = self._part(now, longest)
        else:
            outputs = []
            if self.parting:
                self._parting.begin(now, longest)
        self._rest("INIT")
        return [*outputs, Became("INIT", "it stops")]

    def timer(self, now: float) -> list[Output]:
        """Do what is due: an advert, announcements, or to become MASTER because none was heard."""
        if self.state == "MASTER":
            return self._master_timer(now)
        if self.state != "BACKUP" or self.ready or now < self._down_at:
            return self._parting.due(now)
        return [*self._claim(now, self._why_down()), *self._parting.due(now)]

    def received(self, now: float, advert: Advert, source: bytes) -> list[Output]:
        """Heed an advert that `receive.check` let through; `source` is packed."""
        if self.state == "MASTER":
            return self._received_as_master(now, advert, source)
        given = self._parting.end() if advert.priority != STOPPED else []
        return [*given, *self._received_as_backup(now, advert, source)] if self.state == "BACKUP" else given

    def suspect(self, now: float, sign: str, other: str) -> list[Output]:
        """Take another sign of a second master, such as an advert with another list.

        `sign` is a clause, `other` an address as text. It means nothing unless we are MASTER.
        """
        return self._split.see(now, sign, other, self.settings.interval) if self.state == "MASTER" else []

    def conflict(self, now: float, sign: str, other: str) -> list[Output]:
        """Take the sign that somebody has an address of ours; words as in `suspect`, `other` a hardware address.

        It means nothing unless we are MASTER, and have been for so long that our predecessor has given it up.
        """
        if self.state != "MASTER" or now - self._master_since <= max(SETTLING, self.settings.interval):
            return []
        if self._defend_at is None:
            self._defend_at = max(now, self._announced_at + DEFEND_PAUSE)
        # Two who defend themselves against one another are heard at every defence: that is one split brain.
        return [*self._split.see(now, sign, other, DEFEND_PAUSE), *self._defend(now)]

    def set_priority(self, now: float, priority: int) -> list[Output]:  # noqa: ARG002 - every event carries its time
        """Change the effective priority, 1 to 255; the next advert carries it and Skew_Time follows at once.

        ValueError beyond that: 0 is only ever sent by a master that stops.
        """
        if not STOPPED < priority <= OWNER:
            raise ValueError(f"a priority is 1 to {OWNER}, not {priority}")
        self.priority = priority
        if self.state == "BACKUP" and self._preempting and priority <= self._master_priority:
            # Else the timer might fire before the next advert of a master who is now no worse than we are.
            self._preempt_at = None
            self._arm(self._master_heard)
        return []

    def change(self, now: float, settings: Settings) -> list[Output]:
        """Take other settings and keep the state; a MASTER adverts at once, for its interval may be another.

        One that waits for a group that it is in no longer becomes MASTER if it is ready.

        Not for another version, family or router id, which make another virtual router: ValueError. The effective
        priority stays until `set_priority`.
        """
        old = self.settings
        if (old.version, old.family, old.router_id) != (settings.version, settings.family, settings.router_id):
            raise ValueError("another version, family or router id is another virtual router")
        self.settings = settings
        self._repeats.announcing = settings.announcing
        if self.state == "MASTER":
            self.interval = settings.interval
            self._advert_at = now + settings.interval
            return [SendAdvert(self.priority)]
        if not self._master or settings.version == 2:
            self.interval = settings.interval
        return self.become_master(now, self.why_ready) if self.ready and not settings.waits else []

    def fault(self, now: float, reasons: tuple[str, ...]) -> list[Output]:
        """May not be master, for these reasons (clauses); in FAULT already, they replace those before."""
        self.faults = reasons
        return [] if self.state in ("INIT", "FAULT") else self._enter_fault(now)

    def mend(self, now: float) -> list[Output]:
        """Be free of all faults; it begins anew as after a start, without the start delay."""
        self.faults = ()
        return self._startup(now, 0.0, "what was down is up again") if self.state == "FAULT" else []

    def hand_over(self, now: float) -> list[Output]:
        """Let any other director be master, until `take_back` or until no master is heard for the down interval."""
        self.yielded = True
        if self.state == "MASTER":
            # Where nobody is there to take over it is MASTER again before it has given anything up.
            outputs = self._part(now, self.down_interval)
            return [*outputs, *self._become_backup(now, "an operator handed it over")]
        if self.ready:
            self._arm(now)
        return []

    def take_back(self, now: float) -> list[Output]:
        """End `hand_over`, and become MASTER at once if the master's priority gives way to ours.

        Preempt mode and delay do not count: an operator asks for it.
        """
        self.yielded = False
        if self.state == "BACKUP" and self._master and self._beats(self._master_priority, self._master):
            return self._claim(now, "an operator took it back")
        return []

    def become_master(self, now: float, why: str) -> list[Output]:
        """Become MASTER: section 6.4.2, Active_Down_Timer fires, and 6.4.1 for an owner; a group calls it as well."""
        if self.state == "MASTER":
            return []
        served = bool(self._master) and now - self._master_heard < self.down_interval
        self._rest("MASTER")
        self._parting.until = None
        self.yielded = False
        self.interval = self.settings.interval
        self.became_master_total += 1
        self._master_since = now
        self._answered_at = self._announced_at = float("-inf")
        self._defend_at = None
        self._advert_at = now + self.settings.interval
        advert, have = SendAdvert(self.priority), (TakeAddresses(), *self._announce(now))
        return [*((*have, advert) if served else (advert, *have)), Became("MASTER", why)]

    def become_backup(self, now: float, why: str) -> list[Output]:
        """Give up being MASTER because the group does; the others hear of it at once."""
        return self._give_way(now, why, STOPPED) if self.state == "MASTER" else []

    @property
    def _owner(self) -> bool:
        return self.priority == OWNER

    @property
    def _preempting(self) -> bool:
        """Whether a master is heard who does not set Active_Down_Timer, for we are better."""
        return bool(self._master) and self._master_heard > self._down_from

    @property
    def _down_at(self) -> float:
        """Active_Down_Timer, from what it was last set by: it follows a priority that changes meanwhile."""
        return self._down_from + (self.skew if self._down_soon else self.down_interval)

    def _arm(self, now: float, *, soon: bool = False) -> None:
        """Set Active_Down_Timer to Active_Down_Interval, or to Skew_Time if `soon`."""
        self._down_from, self._down_soon, self.ready = now, soon, False

    def _rest(self, state: VrrpState) -> None:
        """Enter a state with nothing pending and no master known."""
        self.state, self.ready, self._preempt_at = state, False, None
        self._master, self._master_priority = b"", 0

    def _why_down(self) -> str:
        """Return why Active_Down_Timer fired, as a clause."""
        if self._down_soon:
            return "the master gave up"
        if self._preempting:
            return f"{self.master} has a lower priority ({self._master_priority})"
        return f"no master was heard for {self.down_interval:.3g} s"

    def _startup(self, now: float, delay: float, why: str) -> list[Output]:
        self.interval = self.settings.interval
        owns = self._owner and not self.yielded and not delay
        if owns and not self.settings.waits:
            return self.become_master(now, "it owns the addresses")
        self._rest("BACKUP")
        self._arm(now + delay)
        return [Became("BACKUP", why), *(self._claim(now, "it owns the addresses") if owns else [])]

    def _enter_fault(self, now: float) -> list[Output]:
        outputs = [*self._leave_master(now, STOPPED), *self._parting.end()]
        self._rest("FAULT")
        return [*outputs, Became("FAULT", ", ".join(self.faults))]

    def _claim(self, now: float, why: str) -> list[Output]:
        if not self.settings.waits:
            return self.become_master(now, why)
        self.ready, self.why_ready = True, why
        return []

    def _give_way(self, now: float, why: str, last_advert: int) -> list[Output]:
        """From MASTER to BACKUP, with a last advert of the priority given."""
        return [*self._leave_master(now, last_advert), *self._become_backup(now, why)]

    def _become_backup(self, now: float, why: str) -> list[Output]:
        self._rest("BACKUP")
        self.interval = self.settings.interval
        self._arm(now)
        return [Became("BACKUP", why)]

    def _part(self, now: float, longest: float) -> list[Output]:
        """Say that this MASTER stops, and keep the addresses until another one is heard."""
        self._parting.begin(now, longest)
        return [SendAdvert(STOPPED), *self._split.end(now)]

    def _leave_master(self, now: float, last_advert: int) -> list[Output]:
        """Stop everything of a MASTER; a successor that waits for priority 0 hears it before the addresses are gone."""
        if self.state != "MASTER":
            return []
        over = self._split.end(now)
        if last_advert == STOPPED:
            return [SendAdvert(STOPPED), GiveAddresses(), *over]
        return [GiveAddresses(), SendAdvert(last_advert), *over]

    def _received_as_backup(self, now: float, advert: Advert, source: bytes) -> list[Output]:
        """RFC 9568 section 6.4.2, an ADVERTISEMENT is received."""
        if advert.priority == STOPPED:
            self._arm(now, soon=True)
            self._preempt_at = None
            if source == self._master:
                self._master, self._master_priority = b"", 0
            return []
        if self._accepts(now, advert.priority):
            self.interval = advert.interval
            self._arm(now)
        return self._note_master(now, advert, source)

    def _accepts(self, now: float, priority: int) -> bool:
        """Whether a master of this priority may be; an owner preempts whatever Preempt_Mode says (section 6.1)."""
        if priority >= self.priority:
            self._preempt_at = None
            return True
        if self.yielded or not (self.settings.preempt or self._owner):
            return True
        if self._preempt_at is None:
            self._preempt_at = now + (0.0 if self._owner else self.settings.preempt_delay)
        return now < self._preempt_at

    def _note_master(self, now: float, advert: Advert, source: bytes) -> list[Output]:
        """Know who is master: the best of those that are heard, so that one who just gives way is none."""
        known = self._master
        better = (advert.priority, source) >= (self._master_priority, known)
        if source != known and not better and now - self._master_heard < QUIET * self.interval:
            return []
        self._master, self._master_priority, self._master_heard = source, advert.priority, now
        return [] if source == known else [NewMaster(self.master, advert.priority)]

    def _beats(self, priority: int, source: bytes) -> bool:
        """Whether we stay against such a master (section 6.4.3): the greater address wins among equals."""
        return self.priority > priority or (self.priority == priority and self.settings.source > source)

    def _received_as_master(self, now: float, advert: Advert, source: bytes) -> list[Output]:
        """RFC 9568 section 6.4.3; an owner never gives way (section 7.1 discards what it hears)."""
        if advert.priority == STOPPED:
            return self._answer(now, reset=True)
        if self._owner or self._beats(advert.priority, source):
            return [*self._see_lower(now, advert, source), *self._answer(now)]
        other = str(ip_address(source))
        reason = f"higher priority ({advert.priority})" if advert.priority > self.priority else "higher address"
        outputs = self._give_way(now, f"{other} has a {reason}", self.priority)
        self.interval = advert.interval
        return [*outputs, *self._note_master(now, advert, source)]

    def _see_lower(self, now: float, advert: Advert, source: bytes) -> list[Output]:
        """Another master, unless its advert and our first one crossed: for one interval that is no sign of two."""
        interval = max(self.settings.interval, advert.interval)
        if now - self._master_since <= interval:
            return []
        sign = f"it adverts with priority {advert.priority}, ours is {self.priority}"
        return self._split.see(now, sign, str(ip_address(source)), interval)

    def _answer(self, now: float, *, reset: bool = False) -> list[Output]:
        """Advert at once and tell the neighbours, at a bounded rate; `reset` sets Adver_Timer anew.

        Who hears priority 0 waits no longer than Skew_Time: that is answered when the pause is over.
        """
        if now - self._answered_at < ANSWER_PAUSE:
            if reset and self._advert_at > self._answered_at + ANSWER_PAUSE:
                self._answered_at = self._advert_at = self._answered_at + ANSWER_PAUSE
            return []
        self._answered_at = now
        if reset:
            self._advert_at = now + self.settings.interval
        if now - self._announced_at < ANNOUNCE_PAUSE:
            return [SendAdvert(self.priority)]
        self._announced_at = now
        return [SendAdvert(self.priority), *self._announce(now)]

    def _announce(self, now: float) -> list[Output]:
        repeat = self._repeats.start(now)
        return [Announce(repeat)] if repeat else []

    def _master_timer(self, now: float) -> list[Output]:
        outputs: list[Output] = []
        if now >= self._advert_at:
            self._advert_at = following(self._advert_at, self.settings.interval, now)
            outputs.append(SendAdvert(self.priority))
        if over := self._split.due(now):
            return [*outputs, *over, *self._announce(now)]
        if repeat := self._repeats.due(now):
            outputs.append(Announce(repeat))
        return [*outputs, *self._defend(now)]

    def _defend(self, now: float) -> list[Output]:
        """Tell the neighbours where the addresses are, if somebody else said otherwise and the time for it has come."""
        if self._defend_at is None or now < self._defend_at:
            return []
        self._defend_at, self._announced_at = None, now
        return self._announce(now)
