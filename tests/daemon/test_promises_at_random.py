"""What never happens, whatever happens: servers fail, pools are edited and renamed, directors end and begin."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlb.core.desired import weight_when_up
from healthlb.core.flapping import is_held
from healthlb.daemon.records import Pool
from healthlb.model.check import Probe
from healthlb.model.config import FlapDamping, Quorum, VirtualServer
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import (
    Event,
    ForeignServicesKept,
    PanicBegan,
    PanicEnded,
    QuorumLost,
    QuorumRegained,
    SorryServerActivated,
    SorryServerStoodDown,
)
from healthlb.model.health import Health
from healthlb.model.operations import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    Operation,
    OperationFailure,
)
from healthlb.model.overrides import NOT_OVERRIDDEN, Override
from healthlb.model.table import Destination, Service, ServiceKey, ServiceRow
from tests.daemon.chances import PLACES, SORRY, overrides
from tests.daemon.rig import CHECK, FAIL, NAT, OTHER, PASS, VIP, WEB1, WEB2, WEB3, Rig, Table, run, shop, web

FOREIGN = ServiceKey.at("tcp", Endpoint("198.51.100.9", 80))
FOREIGN_ROW = ServiceRow(Service(FOREIGN, "wlc"), {WEB1: Destination(WEB1, NAT, 3)})
STRICTER = replace(CHECK, conversation="stricter")
PAIRS = ((QuorumLost, QuorumRegained), (PanicBegan, PanicEnded), (SorryServerActivated, SorryServerStoodDown))


@dataclass
class World:
    """A director, what it is to know of its file, and what the kernel is watched for."""

    rig: Rig
    file: tuple[VirtualServer, ...] = ()
    orders: tuple[Override, ...] = ()
    gone: dict[tuple[ServiceKey, Endpoint], tuple[float, float]] = field(default_factory=dict)
    told: dict[tuple[tuple[type[Event], ...], str], type[Event]] = field(default_factory=dict)

    def pool(self, key: ServiceKey) -> Pool | None:
        pools = self.rig.controller.pools.by_name.values()
        return next((each for each in pools if each.server.service.key == key), None)


Action = Callable[[World], Coroutine[Any, Any, None]]


class Kernel(Table):
    """A table that remembers each row it lost while connections to it were open."""

    def __init__(self, **kernel: Any) -> None:
        super().__init__(**kernel)
        self.cut: list[tuple[ServiceKey, Endpoint]] = []

    def apply(self, operations: Sequence[Operation]) -> list[OperationFailure]:
        failures = super().apply(operations)
        refused = {each.operation for each in failures}
        for each in operations:
            if isinstance(each, DeleteDestination) and each not in refused:
                usage = self.usages.get(each.address)
                if usage is not None and usage.active:
                    self.cut.append((each.key, each.address))
        return failures


checks = st.sampled_from([CHECK, CHECK, CHECK, STRICTER])
servers = st.builds(
    lambda address, check, **changes: web(address, probes=(Probe(check, address),), **changes),
    st.sampled_from([WEB1, WEB2, WEB3]),
    checks,
    weight=st.sampled_from([0, 1, 1, 20]),
    on_failure=st.sampled_from(["quiesce", "remove"]),
    initial=st.sampled_from(["wait", "wait", "trust"]),
    slow_start=st.sampled_from([0.0, 40.0]),
    drain_timeout=st.sampled_from([0.0, 30.0]),
    flap_damping=st.sampled_from([None, FlapDamping(changes=1, hold=20.0)]),
)
pools = st.builds(
    lambda several, **changes: shop(*several, **changes),
    st.lists(servers, min_size=1, max_size=3, unique_by=lambda server: server.address),
    key=st.sampled_from([VIP, VIP, OTHER]),
    name=st.sampled_from(["shop", "shop", "store"]),
    quorum=st.sampled_from([Quorum(), Quorum(20, 1), Quorum(2, 1)]),
    panic=st.sampled_from([0.0, 60.0, 100.0]),
    sorry_servers=st.sampled_from([(), (web(SORRY, probes=()),), (web(SORRY, drain_timeout=5.0),)]),
)
files = st.lists(pools, min_size=1, max_size=2, unique_by=(lambda pool: pool.name, lambda pool: pool.service.key)).map(
    tuple
)


@dataclass(frozen=True)
class Result:
    target: Endpoint
    passed: bool

    async def __call__(self, world: World) -> None:
        for record in list(world.rig.controller.pools._records.values()):
            for _ in range(2 * (record.probe.target == self.target)):
                world.rig.controller.finished(record, PASS if self.passed else FAIL)


@dataclass(frozen=True)
class Overriding:
    orders: tuple[Override, ...]

    async def __call__(self, world: World) -> None:
        world.orders = self.orders
        await world.rig.controller.override(self.orders)


@dataclass(frozen=True)
class Reload:
    file: tuple[VirtualServer, ...]

    async def __call__(self, world: World) -> None:
        before = {key: world.rig.table.weights(key) or {} for key in (VIP, OTHER)}
        note_who_goes(world, self.file)
        await world.rig.adopt(*self.file)
        world.file = self.file
        for pool in world.rig.controller.pools.by_name.values():
            key = pool.server.service.key
            now = world.rig.table.weights(key) or {}
            for member in pool.members:
                address, standing = member.server.address, member.standing
                if (
                    standing.health is Health.UNKNOWN
                    and before[key].get(address)
                    and standing.applied is NOT_OVERRIDDEN
                ):
                    assert now.get(address) or pool.sorry_active, f"{address} was taken out without a verdict"


@dataclass(frozen=True)
class Restart:
    """The director ends, and another one begins, with another file perhaps, and perhaps without saved health."""

    remembers: bool
    file: tuple[VirtualServer, ...] | None

    async def __call__(self, world: World) -> None:
        before, rows = world.rig, {key: dict(world.rig.table.weights(key) or {}) for key in (VIP, OTHER)}
        rig = Rig(before.table)
        rig.now = before.now
        remembered = await before.controller.pools.remembered()
        before.controller.close()
        if self.remembers:
            rig.controller.pools.recall(remembered)
        await rig.controller.override(world.orders)
        file = self.file if self.file is not None else world.file
        note_who_goes(world, file, remembers=self.remembers, restarts=True)
        rig.table.steps.clear()
        world.rig, world.file = rig, file
        if self.file is not None:  # panic is not remembered: with another file, it may have begun or ended meanwhile
            world.told = {what: told for what, told in world.told.items() if PanicBegan not in what[0]}
        await rig.adopt(*file)
        by_name = rig.controller.pools.by_name.values()
        unsettled = any(each.standing.health is Health.UNKNOWN for pool in by_name for each in pool.everyone())
        replaced = {pool.server.name for pool in by_name if pool.sorry_active}
        if self.file is None and self.remembers and not (unsettled and any(pool.sorry_servers for pool in file)):
            assert rig.table.steps == [], f"{rig.table.steps}"
            assert [each for each in rig.events if not isinstance(each, ForeignServicesKept)] == []
        if self.file is None and not world.orders:
            for pool in file:
                now = rig.table.weights(pool.service.key) or {}
                for server in pool.real_servers:
                    if rows[pool.service.key].get(server.address) and pool.name not in replaced:
                        assert now.get(server.address), "a restart took out a server that had traffic"


def note_who_goes(
    world: World, file: tuple[VirtualServer, ...], *, remembers: bool = True, restarts: bool = False
) -> None:
    """Note until when the rows of servers that leave their service are to stay."""
    names = {pool.service.key: pool.name for pool in file}
    for pool in world.file:
        if names.get(pool.service.key) != pool.name:
            world.told = {
                what: told for what, told in world.told.items() if what[1] not in {pool.name, *names.values()}
            }
    after = {pool.service.key: {each.address for each in pool.real_servers + pool.sorry_servers} for pool in file}
    for pool in world.file:
        key = pool.service.key
        for each in pool.real_servers + pool.sorry_servers:
            if (
                key in after
                and each.address not in after[key]
                and each.drain_timeout
                and remembers
                and not (restarts and names[key] != pool.name)
            ):
                world.gone[key, each.address] = (world.rig.now, each.drain_timeout)
    if not remembers:
        world.gone.clear()
        world.told.clear()
    was = {pool.service.key: pool.name for pool in world.file}
    for key, address in list(world.gone):
        if key not in after or (restarts and names[key] != was[key]) or address in after[key]:
            del world.gone[key, address]


@dataclass(frozen=True)
class Connections:
    target: Endpoint
    active: int

    async def __call__(self, world: World) -> None:
        world.rig.table.usages[self.target] = Usage(active=self.active)


@dataclass(frozen=True)
class Edited:
    """Somebody else is at the table: `ipvsadm -C`, or every weight set to 0; the next look finds it."""

    flushed: bool

    async def __call__(self, world: World) -> None:
        table, services = world.rig.table, world.rig.table.read().table.services
        for key, row in services.items():
            if key != FOREIGN and self.flushed:
                table.apply([DeleteService(key)])
            for each in row.destinations.values() if key != FOREIGN and not self.flushed else ():
                table.apply([EditDestination(key, replace(each, weight=0))])
        for address in PLACES if self.flushed else ():
            table.usages.pop(address, None)
        await world.rig.look()


@dataclass(frozen=True)
class Refused:
    """The kernel refuses some changes for a while; then it does not."""

    target: Endpoint
    result: Result

    async def __call__(self, world: World) -> None:
        table = world.rig.table
        table.refuse = lambda operation: (
            getattr(getattr(operation, "destination", None), "address", None) == self.target
        )
        await self.result(world)
        await world.rig.controller.make_pass()
        table.refuse = lambda _: False
        await world.rig.look()


@dataclass(frozen=True)
class Wait:
    seconds: float

    async def __call__(self, world: World) -> None:
        await world.rig.later(self.seconds)


actions = st.one_of(
    st.builds(Result, st.sampled_from(PLACES), st.booleans()),
    st.builds(Result, st.sampled_from(PLACES), st.booleans()),
    st.builds(Overriding, st.lists(overrides, max_size=2).map(tuple)),
    st.builds(Reload, files),
    st.builds(Restart, st.booleans(), st.none() | files),
    st.builds(Edited, st.booleans()),
    st.builds(Refused, st.sampled_from(PLACES), st.builds(Result, st.sampled_from(PLACES), st.booleans())),
    st.builds(Connections, st.sampled_from(PLACES), st.sampled_from([0, 3])),
    st.builds(Wait, st.sampled_from([0.5, 1.0, 7.0, 30.0])),
)


async def settle(world: World) -> None:
    rig = world.rig
    rig.controller._look_took, rig.controller._timed_at = 0.0, float("-inf")
    for _ in range(3):
        if not rig.controller._due():
            return
        await rig.controller.make_pass()
        rig.controller._timed_at = float("-inf")
    raise AssertionError("there is always one more pass to make")


def check_pool(world: World, pool: Pool) -> None:
    rig = world.rig
    assert pool.decision is not None
    weights = rig.table.weights(pool.server.service.key) or {}
    others = [each for each in pool.members if weights.get(each.server.address)]
    for member in pool.members:
        server, standing = member.server, member.standing
        weight = weights.get(server.address, 0)
        held = server.flap_damping is not None and is_held(member.flaps, rig.now)
        if standing.health is Health.UP and not held and not pool.decision.replaced:
            assert bool(weight) is bool(weight_when_up(server, standing)), f"{server.address} is healthy and out"
        if standing.health is Health.DOWN and weight:
            assert server.address in pool.decision.pooled, "a server that is down takes traffic"
        if standing.applied.admin is not None:
            assert not weight, "a drained server takes traffic"
    standing_in = [each for each in pool.server.sorry_servers if weights.get(each.address)]
    assert not (standing_in and others), "a sorry server serves beside real ones"
    assert bool(standing_in) is pool.sorry_active


def live_pools(world: World) -> set[str]:
    """Return the pools with a panic floor that have traffic and servers that are meant to have it."""
    found = set()
    for pool in world.rig.controller.pools.by_name.values():
        weights = world.rig.table.weights(pool.server.service.key) or {}
        meant = [each for each in pool.members if weight_when_up(each.server, each.standing)]
        if pool.server.panic and any(weights.get(each.server.address) for each in meant):
            found.add(pool.server.name)
    return found


def check_cuts(world: World) -> None:
    table = world.rig.table
    assert isinstance(table, Kernel)
    for key, address in table.cut:
        pool = world.pool(key)
        if pool is None:
            continue
        member = next((each for each in pool.everyone() if each.server.address == address), None)
        if member is not None:
            applied = member.standing.applied
            out = member.server.on_failure == "remove" and (
                member.standing.health is Health.DOWN or is_held(member.flaps, world.rig.now)
            )
            over = applied.remove and applied.deadline is not None and applied.deadline <= world.rig.now
            sorry = member in pool.sorry_members
            assert applied.admin == "disable" or out or over or sorry, f"{address} was cut off"
        elif (key, address) in world.gone:
            at, lasts = world.gone[key, address]
            assert world.rig.now >= at + lasts, f"{address} left before its time"
    for (key, address), (_, lasts) in world.gone.items():
        if (table.weights(key) or {}).get(address):
            world.gone[key, address] = (world.rig.now, lasts)
    table.cut.clear()


def check_events(world: World) -> None:
    """Each event of a pair comes after the other, in a pool that keeps its name and its service."""
    for event in world.rig.events:
        for pair in PAIRS:
            if isinstance(event, pair):
                name = pair, event.virtual_server
                assert world.told.get(name) is not type(event), f"told twice: {event}"
                world.told[name] = type(event)
    world.rig.events.clear()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files, st.lists(actions, max_size=16))
def test_what_a_pool_promises_is_kept_whatever_happens(first: tuple[VirtualServer, ...], happens: list[Action]) -> None:
    async def story(_: Rig) -> None:
        table = Kernel()
        world = World(Rig(table))
        table.apply([AddService(FOREIGN_ROW.service), AddDestination(FOREIGN, FOREIGN_ROW.destinations[WEB1])])
        await Reload(first)(world)
        for action in happens:
            before = live_pools(world)
            await action(world)
            await settle(world)
            check_cuts(world)
            if isinstance(action, Result | Wait):
                assert before <= live_pools(world), "a pool with a panic floor was emptied"
            for pool in world.rig.controller.pools.by_name.values():
                check_pool(world, pool)
            assert world.rig.controller.in_sync
            assert table.read().table.services[FOREIGN] == FOREIGN_ROW
            check_events(world)
        world.rig.controller.close()

    run(story)
