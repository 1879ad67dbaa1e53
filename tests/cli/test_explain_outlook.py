"""When a server is said to come back is when it does, at the earliest: reckoned from the status, held to a director."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from healthlb.api import document
from healthlb.api.rendering import in_slices
from healthlb.cli.explain_reading import start
from healthlb.core.health import JITTER
from healthlb.core.outlook import first
from healthlb.daemon.records import ProbeRecord
from healthlb.model.check import Check, Probe
from healthlb.model.config import FlapDamping, Quorum, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Schedule
from healthlb.model.overrides import Override, Scope
from tests.daemon.chances import SORRY
from tests.daemon.rig import FAIL, PASS, VIP, WEB1, WEB2, WEB3, Rig, run, shop, view_of, web

SERVERS = (WEB1, WEB2, WEB3)
NEVER = 400.0
"""Seconds for which a server that is said not to come back is watched: longer than all holds and ramps here."""
HAIR = 0.002
"""Seconds by which a moment of the status may be cut short."""


def check(name: str, schedule: Schedule) -> Check:
    return Check(name, "http", schedule, name)


QUICK = check("quick", Schedule(2.0, 1.0, 2, 2, 0.5, 5.0))
SLOW = check("slow", Schedule(10.0, 1.0, 4, 1, 3.0, 10.0))
ONCE = check("once", Schedule(1.0, 1.0, 1, 1, 1.0, 2.0))

servers = st.builds(
    lambda address, checks, **changes: web(address, probes=tuple(Probe(each, address) for each in checks), **changes),
    st.sampled_from(SERVERS),
    st.lists(st.sampled_from([QUICK, SLOW, ONCE]), min_size=1, max_size=2, unique_by=lambda each: each.name),
    weight=st.sampled_from([1, 20, 20]),
    require=st.sampled_from(["all", "any"]),
    on_failure=st.sampled_from(["quiesce", "remove"]),
    initial=st.sampled_from(["wait", "trust"]),
    slow_start=st.sampled_from([0.0, 40.0]),
    flap_damping=st.sampled_from([None, FlapDamping(changes=1, window=60.0, hold=20.0, longest=50.0)]),
)
pools = st.builds(
    lambda several, **changes: shop(*several, **changes),
    st.lists(servers, min_size=1, max_size=3, unique_by=lambda server: server.address),
    quorum=st.sampled_from([Quorum(), Quorum(20, 1)]),
    panic=st.sampled_from([0.0, 0.0, 60.0]),
    sorry_servers=st.sampled_from([(), (web(SORRY, probes=()),)]),
)
overrides = st.builds(
    lambda address, after, **words: (Override(Scope("shop", address.address, None), **words), after),
    st.sampled_from(SERVERS),
    st.sampled_from([None, 3.0, 30.0]),
    admin=st.sampled_from(["drain", "disable", None]),
    weight=st.sampled_from([None, 0, 7]),
)
happenings = st.one_of(
    st.tuples(st.just("probe"), st.sampled_from(SERVERS), st.booleans(), st.integers(1, 4)),
    st.tuples(st.just("probe"), st.sampled_from(SERVERS), st.booleans(), st.integers(1, 4)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0, 25.0])),
)


class Story:
    """A director at a moment, whose probes are due at `due`, and the overrides that end by themselves."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.due: dict[ProbeRecord, float] = {}
        self.overrides: tuple[Override, ...] = ()

    def records(self, address: Endpoint) -> list[ProbeRecord]:
        [pool] = self.rig.controller.pools.by_name.values()
        return [record for each in pool.members if each.server.address == address for record in each.records]

    async def happen(self, what: tuple[Any, ...]) -> None:
        if what[0] == "wait":
            await self.later(what[1])
            return
        for record in self.records(what[1]):
            for _ in range(what[3]):
                self.rig.controller.finished(record, PASS if what[2] else FAIL)
        await self.later(0.0)

    async def later(self, seconds: float) -> None:
        self.rig.now = round(self.rig.now + seconds, 3)
        kept = tuple(each for each in self.overrides if each.expires_at is None or each.expires_at > self.rig.now)
        if kept != self.overrides:
            self.overrides = kept
            await self.rig.controller.override(kept)
        for _ in range(4):
            self.rig.controller._look_took, self.rig.controller._timed_at = 0.0, float("-inf")
            if self.rig.controller._due():
                await self.rig.controller.make_pass()

    async def told(self) -> dict[str, Any]:
        view = view_of(self.rig)
        view._prober.due_in = lambda record: self.due[record] - self.rig.now if record in self.due else None  # type: ignore[method-assign]
        snapshot = replace(await view.build(), taken_at=self.rig.now)
        rendering = await in_slices(document.status(snapshot))
        pool: dict[str, Any] = json.loads(b"".join(rendering.plain()))["virtual_servers"][0]
        return pool

    def serves(self, address: Endpoint) -> bool:
        [pool] = self.rig.controller.pools.by_name.values()
        assert pool.decision is not None
        weight = (self.rig.table.weights(VIP) or {}).get(address, 0)
        return weight > 0 and address not in pool.decision.pooled

    async def back_at(self, address: Endpoint, end: float, stretch: Callable[[], float]) -> float | None:
        """Let the server's probes pass; return when it serves first, None where it does not before the end.

        `stretch` is what jitter makes of an interval.
        """
        due = {each: max(round(self.due[each], 3), self.rig.now) for each in self.records(address)}
        while not self.serves(address):
            ahead = [self.rig.controller._appointments.next(), end]
            ahead += [each.expires_at for each in self.overrides if each.expires_at is not None]
            at = min([*due.values(), *(each for each in ahead if each > self.rig.now)], default=end)
            if at >= end:
                return None
            await self.later(at - self.rig.now)
            for record in [each for each in due if due[each] <= self.rig.now]:
                interval = self.rig.controller.finished(record, PASS)
                due[record] = round(due[record] + interval * stretch(), 3)
            await self.later(0.0)
        return self.rig.now


async def told_and_come(
    here: Story, target: Endpoint, stretch: Callable[[], float]
) -> tuple[float | None, float | None]:
    """Return when the status has it that a server will be back at the earliest, and when it is."""
    begun = start(await here.told(), here.rig.now)
    place = [each.address for each in begun.server.real_servers].index(target)
    found = first(begun, [place], lambda moment: moment.serves(target))
    return None if found is None else found.at, await here.back_at(target, here.rig.now + NEVER, stretch)


async def set_out(
    rig: Rig, pool: VirtualServer, happens: list[tuple[Any, ...]], orders: list[tuple[Override, float | None]]
) -> Story:
    """Bring a director into a state."""
    here = Story(rig)
    await rig.adopt(pool)
    for each in happens:
        await here.happen(each)
    here.overrides = tuple(
        replace(each, expires_at=None if after is None else rig.now + after) for each, after in orders
    )
    await rig.controller.override(here.overrides)
    await here.later(0.0)
    return here


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    pools,
    st.lists(happenings, max_size=12),
    st.lists(overrides, max_size=2, unique_by=lambda each: (each[0].scope, each[0].weight is None)),
    st.sampled_from(SERVERS),
    st.lists(st.sampled_from([0.0, 0.1, 1.7, 4.9]), min_size=2, max_size=2),
)
def test_a_server_comes_back_when_it_is_said_to_at_the_earliest_and_no_earlier(
    pool: VirtualServer,
    happens: list[tuple[Any, ...]],
    orders: list[tuple[Override, float | None]],
    target: Endpoint,
    waits: list[float],
) -> None:
    assume(target in {each.address for each in pool.real_servers})

    async def story(rig: Rig) -> None:
        here = await set_out(rig, pool, happens, orders)
        if here.serves(target):
            return
        here.due = {each: rig.now + wait for each, wait in zip(here.records(target), waits, strict=False)}
        said, came = await told_and_come(here, target, lambda: 1 - JITTER)
        assert (said is None) is (came is None), f"said {said}, came {came}"
        assert said is None or came is None or abs(came - said) <= HAIR, f"said {said}, came {came}"

    run(story)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(pools, st.lists(happenings, max_size=12), st.sampled_from(SERVERS), st.integers(0, 2**32))
def test_jitter_makes_no_server_come_back_before_it_is_said_to(
    pool: VirtualServer, happens: list[tuple[Any, ...]], target: Endpoint, seed: int
) -> None:
    assume(target in {each.address for each in pool.real_servers})
    # A turn that comes later may be outside of the window in which it would have been one too many.
    steady = replace(pool, real_servers=tuple(replace(each, flap_damping=None) for each in pool.real_servers))

    async def story(rig: Rig) -> None:
        chance = random.Random(seed)
        here = await set_out(rig, steady, happens, [])
        if here.serves(target):
            return
        here.due = {each: round(rig.now + chance.uniform(0.0, 5.0), 3) for each in here.records(target)}
        said, came = await told_and_come(here, target, lambda: chance.uniform(1 - JITTER, 1 + JITTER))
        assert (said is None) is (came is None), f"said {said}, came {came}"
        assert said is None or came is None or came >= said - HAIR, f"said {said}, came {came}"

    run(story)
