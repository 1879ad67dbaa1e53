"""Anything that can happen to pools, in any order: what is decided is in the table, nothing spins or is forgotten."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from healthlb.model.config import FlapDamping, Quorum, VirtualServer
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Override
from tests.daemon.chances import PLACES, SORRY, overrides
from tests.daemon.rig import FAIL, PASS, VIP, WEB1, WEB2, WEB3, Rig, run, shop, web

Action = Callable[[Rig], Coroutine[Any, Any, None]]

servers = st.builds(
    web,
    st.sampled_from([WEB1, WEB2, WEB3]),
    weight=st.sampled_from([0, 1, 20]),
    on_failure=st.sampled_from(["quiesce", "remove"]),
    initial=st.sampled_from(["wait", "trust"]),
    slow_start=st.sampled_from([0.0, 40.0]),
    drain_timeout=st.sampled_from([0.0, 30.0]),
    flap_damping=st.sampled_from([None, FlapDamping(changes=1, hold=20.0)]),
)
pools = st.builds(
    lambda several, **changes: shop(*several, **changes),
    st.lists(servers, min_size=1, max_size=3, unique_by=lambda server: server.address),
    quorum=st.sampled_from([Quorum(), Quorum(20, 1)]),
    panic=st.sampled_from([0.0, 60.0]),
    sorry_servers=st.sampled_from([(), (web(SORRY, probes=()),), (web(SORRY, drain_timeout=5.0),)]),
)


@dataclass(frozen=True)
class Result:
    target: Endpoint
    passed: bool

    async def __call__(self, rig: Rig) -> None:
        for _ in range(2):
            if self.target in rig.records:
                rig.controller.finished(rig.records[self.target], PASS if self.passed else FAIL)


@dataclass(frozen=True)
class Overriding:
    orders: tuple[Override, ...]

    async def __call__(self, rig: Rig) -> None:
        await rig.controller.override(self.orders)


@dataclass(frozen=True)
class Reload:
    pool: VirtualServer

    async def __call__(self, rig: Rig) -> None:
        await rig.adopt(self.pool)


@dataclass(frozen=True)
class Connections:
    target: Endpoint
    active: int

    async def __call__(self, rig: Rig) -> None:
        rig.table.usages[self.target] = Usage(active=self.active)


@dataclass(frozen=True)
class Wait:
    seconds: float

    async def __call__(self, rig: Rig) -> None:
        await rig.later(self.seconds)


actions = st.one_of(
    st.builds(Result, st.sampled_from(PLACES), st.booleans()),
    st.builds(Overriding, st.lists(overrides, max_size=2).map(tuple)),
    st.builds(Reload, pools),
    st.builds(Connections, st.sampled_from(PLACES), st.sampled_from([0, 3])),
    st.builds(Wait, st.sampled_from([0.5, 1.0, 7.0, 30.0])),
)


async def settle(rig: Rig) -> None:
    """Make the passes that are due now; there must be an end to them."""
    rig.controller._look_took, rig.controller._timed_at = 0.0, float("-inf")
    for _ in range(3):
        if not rig.controller._due():
            return
        await rig.controller.make_pass()
        rig.controller._timed_at = float("-inf")
    raise AssertionError("there is always one more pass to make")


def true(rig: Rig) -> bool:
    pool = rig.controller.pools.by_name["shop"]
    assert pool.decision is not None
    return dict(rig.table.read().table.services[VIP].destinations) == dict(pool.decision.row.destinations)


@settings(max_examples=150, deadline=None)
@given(pools, st.lists(actions, max_size=14))
def test_whatever_happens_the_table_is_what_was_decided_and_passes_have_an_end(
    first: VirtualServer, happens: list[Action]
) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(first)
        for action in happens:
            await action(rig)
            await settle(rig)
            assert true(rig)
            assert rig.controller.lost is None
            await rig.look()  # may find connections that have ended meanwhile
            rig.table.steps.clear()
            await rig.look()
            assert rig.table.steps == []
            assert true(rig)

    run(story)


@settings(max_examples=100, deadline=None)
@given(pools, st.lists(actions, max_size=10))
def test_a_restart_at_any_moment_changes_no_row(first: VirtualServer, happens: list[Action]) -> None:
    async def story(rig: Rig) -> None:
        pool = first
        await rig.adopt(first)
        for action in happens:
            await action(rig)
            await settle(rig)
            pool = action.pool if isinstance(action, Reload) else pool
        after = Rig(rig.table)
        after.now = rig.now
        after.controller.pools.recall(await rig.controller.pools.remembered())
        await after.controller.override(rig.controller.pools.overriding.overrides)
        rig.table.steps.clear()
        await after.adopt(pool)
        assert rig.table.steps == []
        assert after.events == []
        after.controller.close()

    run(story)
