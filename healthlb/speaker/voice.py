"""One instance: its machine, its sockets, and what it has in the kernel."""

import errno
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from healthlb.core.vrrp import receive
from healthlb.core.vrrp.machine import Machine
from healthlb.core.vrrp.packet import Advert, with_priority
from healthlb.core.vrrp.receive import Datagram
from healthlb.core.vrrp.tracking import Seen, Standing, standing, statuses
from healthlb.linux.announcer import Announcer
from healthlb.linux.links import AWAY, Link
from healthlb.linux.rtnetlink import Change, Placement, Rtnetlink
from healthlb.linux.sysctl import put
from healthlb.linux.vrrp_sockets import Ends, Outgoing, VrrpSocket
from healthlb.model.vrrp import OWNER, VrrpState
from healthlb.model.vrrp_status import InstanceStatus
from healthlb.speaker.wire import Spoken

DATAGRAMS: Final = 64
"""How many are read at once."""
ROUNDS: Final = 8
"""How often so many are read before others have their turn."""
PUT_PAUSE: Final = 1.0
"""Seconds between two puts of the same addresses at least, unless the instance becomes MASTER."""
LONGEST_PAUSE: Final = 60.0
"""Seconds before what the kernel refused is tried again, at most: it begins with `PUT_PAUSE` and doubles. Routes and
rules of a MASTER are put again as often: the kernel takes routes away with their interface, and of what others take
away it tells us addresses alone."""


class Sockets(Protocol):
    """What `VrrpSocket` does."""

    def fileno(self) -> int:
        """Return the descriptor to poll."""

    def send(self, outgoing: Outgoing, message: bytes) -> None:
        """Send a message."""

    def receive(self, most: int = ...) -> Sequence[Datagram]:
        """Return what has arrived."""

    def receive_suspects(self, most: int = ...) -> Sequence[Datagram]:
        """Return what has arrived and is hardly an advert."""

    def close(self) -> None:
        """Close them."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What all instances act with."""

    rtnetlink: Rtnetlink = field(default_factory=Rtnetlink)
    announcer: Announcer = field(default_factory=Announcer)
    open_sockets: Callable[[Ends], Sockets] = VrrpSocket

    def close(self) -> None:
        """Close the sockets that are open."""
        self.rtnetlink.close()
        self.announcer.close()


class Voice:
    """Does what the machine of one instance says.

    `since` is UNIX seconds, `problems` are clauses by what they are about, `standing` and `tracked` what the priority
    follows, `state` and `master` those that were last told of, `again_at` when `try_again` is to
    be called. `opened`: the sockets are new and nobody polls them yet.
    """

    def __init__(self, spoken: Spoken, hands: Hands, since: float) -> None:
        self.spoken = spoken
        self.machine = Machine(spoken.settings)
        self.sockets: Sockets | None = None
        self.state: VrrpState = "INIT"
        self.since = since
        self.problems: dict[str, str] = {}
        self.standing = Standing(spoken.settings.priority, (), ())
        self.tracked = spoken.tracked
        self.again_at: float | None = None
        self.master = ""
        self.group = ""
        self.opened = False
        self._put_at = float("-inf")
        self._pause = PUT_PAUSE
        self._hands = hands
        self._sent = 0
        self._received = 0
        self._dropped: Counter[str] = Counter()
        self._left: frozenset[str] = frozenset()
        self._messages: dict[int, tuple[bytes, ...]] = {}
        self._make_links()
        self._plan(time.monotonic())

    def weigh(self, links: Mapping[str, Link]) -> Standing:
        """Return how the instance stands with the interfaces as they are."""
        seen = {each.name: self._look(each.name, links) for each in self.spoken.interfaces}
        found = standing(
            self.spoken.settings.priority, (*statuses("interface", self.spoken.interfaces, seen), *self.tracked)
        )
        unspoken = "" if self.sockets is not None else self.problems.get("sockets") or self.spoken.problem
        # Without its interface a master would have no address, and keep the others from having them.
        faults = (*filter(None, (unspoken, self.problems.get("interface"))), *found.faults)
        return Standing(found.priority, faults, found.statuses)

    def listen(self, links: Mapping[str, Link]) -> None:
        """Open the sockets if they can be, close them if their interface is not there any more."""
        ends = self.spoken.ends
        link = links.get(self.spoken.interface)
        if ends is None or link is None or link.index != ends.index:
            self.fall_silent()
            return
        if self.sockets is None:
            try:
                self.sockets = self._hands.open_sockets(ends)
                self.opened = True
                self._solve("sockets")
            except OSError as problem:
                self._note("sockets", f"no sockets on {ends.interface}: {_reason(problem)}{_missing(problem)}")

    def fall_silent(self) -> None:
        """Close the sockets."""
        if self.sockets is not None:
            self.sockets.close()
            self.sockets = None

    def send(self, priority: int) -> None:
        """Send an advert to everybody who is to hear it."""
        if self.sockets is None:
            return
        messages = self._messages.get(priority)
        if messages is None:
            messages = tuple(with_priority(each.message, priority) for each in self.spoken.adverts)
            self._messages[priority] = messages
        failed = ""
        for outgoing, message in zip(self.spoken.adverts, messages, strict=True):
            try:
                self.sockets.send(outgoing, message)
                self._sent += 1
            except OSError as problem:
                if problem.errno in AWAY:
                    continue
                failed = f"an advert to {outgoing.destination} cannot be sent: {_reason(problem)}"
        if failed:
            self._note("sending", failed)
        else:
            self._solve("sending")

    def take_addresses(self, now: float) -> None:
        """Put everything into the kernel; what is there already stays as it is."""
        self._put_at = now
        self._make_links()
        self._tell("addresses", self._hands.rtnetlink.put(self.spoken.placement.taken))
        self._plan(now)

    def put_again(self, now: float) -> None:
        """Put everything again soon if it is MASTER: somebody may have removed some of it."""
        if self.machine.state == "MASTER":
            soon = max(now, self._put_at + PUT_PAUSE)
            self.again_at = soon if self.again_at is None else min(soon, self.again_at)

    def try_again(self, now: float) -> None:
        """Do what `again_at` was set for: put, or take out, what may not be as it should."""
        if self.machine.state == "MASTER":
            self.take_addresses(now)
            return
        self._make_links()
        if "addresses" in self.problems:
            self.give_addresses(now)
        else:
            self._plan(now)

    def rests_on(self, names: frozenset[str], links: Mapping[str, Link]) -> bool:
        """Whether interfaces of these names matter to the instance."""
        used = {frame.index for frame in self.spoken.frames}
        tracked = (each.name for each in self.spoken.interfaces)
        own = {self.spoken.interface, *self.spoken.devices, *tracked}
        return bool(own & names) or any(name in links and links[name].index in used for name in names)

    def give_addresses(self, now: float) -> None:
        """Take everything out of the kernel that only a master has."""
        for about in ("sending", "announcements"):
            self._solve(about)
        self._tell("addresses", self._hands.rtnetlink.withdraw(self.spoken.placement.taken))
        self._plan(now)

    def clear_away(self, now: float) -> None:
        """Have none of the addresses unless it is MASTER, whoever put them: nothing may be written down of that.

        An owner's are its machine's own as well.
        """
        owner = self.spoken.settings.priority == OWNER
        if self.machine.state == "MASTER" or self.machine.parting or owner or "addresses" in self.problems:
            return
        addresses = [each for each in self.spoken.placement.taken if each.of_address]
        self._tell("addresses", self._hands.rtnetlink.withdraw(addresses))
        self._plan(now)

    def see_leftovers(self, links: Mapping[str, Link]) -> None:
        """Tell of addresses that are here although it is not MASTER: the master has them, and both answer for them.

        Two looks have to find one, for that we have just given it up may not be known of an interface yet. It is not
        removed: whoever put it there may mean it, at night and with both directors in FAULT.
        """
        before, self._left = self._left, self._leftovers(links)
        told = sorted(self._left & before)
        if told:
            state = self.machine.state
            self._note("leftovers", f"it is {state} and yet {', '.join(told)}, put there by others: remove that")
        else:
            self._solve("leftovers")

    def announce(self, repeat: int) -> None:
        """Tell the neighbours where the addresses are now."""
        problems: tuple[str, ...] = ()
        for _ in range(repeat):
            problems = self._hands.announcer.announce(self.spoken.frames)
        self._tell("announcements", problems)

    def heard(self) -> Iterator[tuple[Advert | str, bytes]]:
        """Yield what has arrived with its packed sender: adverts, and clauses that are signs of another master."""
        for _ in range(ROUNDS):
            datagrams = () if self.sockets is None else self._quietly(self.sockets.receive)
            yield from self._judge(datagrams)
            if len(datagrams) < DATAGRAMS:
                return

    def suspects(self) -> Iterator[tuple[Advert | str, bytes]]:
        """Yield the same of what was hardly an advert, and count the rest."""
        if self.sockets is not None:
            yield from self._judge(self._quietly(self.sockets.receive_suspects))

    def refit(self, spoken: Spoken) -> None:
        """Take what the director made anew; what is to be put is left to `take_addresses`, if it is MASTER."""
        before, self.spoken = self.spoken, spoken
        self.tracked = spoken.tracked
        self._messages.clear()
        if before.ends != spoken.ends:
            self.fall_silent()
        after = spoken.placement
        gone = _without(before.placement, after)
        if self.machine.state == "MASTER":
            self._tell("addresses", self._hands.rtnetlink.withdraw(gone.taken))
        self._hands.rtnetlink.withdraw(gone.links)
        self._make_links()
        self._plan(time.monotonic())

    def end(self) -> None:
        """Leave nothing behind; the machine has been stopped."""
        self.fall_silent()
        self._hands.rtnetlink.withdraw(self.spoken.placement.links)

    def status(self, group: str) -> InstanceStatus:
        """Return everything that is known of the instance."""
        machine, settings = self.machine, self.spoken.settings
        return InstanceStatus(
            name=self.spoken.name,
            state=machine.state,
            interface=self.spoken.interface,
            router_id=settings.router_id,
            version=settings.version,
            configured_priority=settings.priority,
            effective_priority=machine.priority,
            addresses=self.spoken.addresses,
            since=self.since,
            master=machine.master,
            master_priority=machine.master_priority,
            interval=machine.interval,
            faults=machine.faults,
            tracked=self.standing.statuses,
            yielded=machine.yielded,
            split_brain=machine.split_brain,
            group=group,
            became_master_total=machine.became_master_total,
            adverts_sent_total=self._sent,
            adverts_received_total=self._received,
            dropped=dict(self._dropped),
        )

    def _leftovers(self, links: Mapping[str, Link]) -> frozenset[str]:
        machine = self.machine
        if machine.state in {"INIT", "MASTER"} or machine.parting or self.spoken.settings.priority == OWNER:
            return frozenset()
        virtual = {each.partition("/")[0] for each in self.spoken.addresses}
        return frozenset(
            f"{name} has {each.address}/{each.prefix}"
            for name in (self.spoken.interface, *self.spoken.devices)
            for each in (links[name].addresses if name in links else ())
            if each.address in virtual
        )

    def _look(self, name: str, links: Mapping[str, Link]) -> Seen:
        link = links.get(name)
        if link is None:
            return Seen(up=False, reason="there is no such interface")
        ends = self.spoken.ends
        if ends is not None and name == ends.interface and link.index != ends.index:
            return Seen(up=False, reason="it was removed and made again")
        return Seen(link.up, "" if link.up else "it is down or has no carrier")

    def _judge(self, datagrams: Sequence[Datagram]) -> Iterator[tuple[Advert | str, bytes]]:
        for datagram in datagrams:
            found = receive.check(receive.Datagram(*datagram), self.machine.settings)
            if isinstance(found, Advert):
                self._received += 1
                yield found, datagram.source
                continue
            self._dropped[found.reason] += 1
            if sign := receive.sign_of(found, datagram.source, self.machine.settings):
                yield sign, datagram.source

    def _quietly(self, read: Callable[[int], Sequence[Datagram]]) -> Sequence[Datagram]:
        """Read; that an interface went down is told by sockets once, too, and better by the links."""
        try:
            return read(DATAGRAMS)
        except OSError:
            return ()

    def _make_links(self) -> None:
        """Have the interfaces that are there all the time, with their settings."""
        links = self.spoken.placement.links
        self._tell("interface", self._hands.rtnetlink.put(links) if links else ())
        self._tell("settings", tuple(put(self.spoken.kernel)) if links else ())

    def _plan(self, now: float) -> None:
        """Have it tried again if the kernel refused something, ever more seldom as long as it does."""
        refused = bool(self.problems.keys() & {"addresses", "interface", "settings"})
        pause = self._pause if refused else LONGEST_PAUSE
        self.again_at = now + pause if refused or self._has_routes() else None
        self._pause = min(2 * self._pause, LONGEST_PAUSE) if refused else PUT_PAUSE

    def _has_routes(self) -> bool:
        """Whether routes or rules are to be in the kernel now."""
        return self.machine.state == "MASTER" and not all(each.of_address for each in self.spoken.placement.taken)

    def _tell(self, about: str, problems: tuple[str, ...]) -> None:
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            self._note(about, problems[0] + more)
        else:
            self._solve(about)

    def _note(self, about: str, clause: str) -> None:
        self.problems[about] = clause

    def _solve(self, about: str) -> None:
        self.problems.pop(about, None)


def _without(before: Placement, after: Placement) -> Placement:
    """Return what is to be withdrawn when a placement takes the place of another."""
    kept: frozenset[Change] = frozenset((*after.links, *after.taken))
    return Placement(
        tuple(each for each in before.links if each not in kept),
        tuple(each for each in before.taken if each not in kept),
    )


def _missing(problem: OSError) -> str:
    """Return which right a socket takes that the kernel denied (packet(7), raw(7))."""
    return ", CAP_NET_RAW is missing" if problem.errno == errno.EPERM else ""


def _reason(problem: OSError) -> str:
    return os.strerror(problem.errno) if problem.errno else str(problem)
