"""Makes the exported view out of the controller's state, in short stretches."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from checks.engine.engine import Counts
from healthlb import __version__
from healthlb.api.rendering import REST, SLICE
from healthlb.api.sharing import Shared
from healthlb.daemon.breath import Breath
from healthlb.daemon.controller import Controller
from healthlb.daemon.histogram import Histogram
from healthlb.daemon.history import Sample
from healthlb.daemon.prober import Prober
from healthlb.daemon.process import Process
from healthlb.daemon.records import Pool
from healthlb.daemon.remains import Remains
from healthlb.daemon.statuses import Seen, leaving, real_server, sorry_server
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Orders
from healthlb.model.snapshot import (
    ConfigStatus,
    DirectorStatus,
    JournalStatus,
    ListenerStatus,
    NotifierStatus,
    ProbingStatus,
    ProcessStatus,
    QuorumStatus,
    Snapshot,
    SocketCounts,
    StateStatus,
    TableStatus,
    VirtualServerStatus,
)
from healthlb.model.vrrp_status import PairStatus

LEAST_AGE = 0.2
"""Seconds for which one snapshot serves every reader, unless there is a change; more where it took long to make."""
MOST_AGE = 1.0
"""Seconds for which it serves at most."""


@dataclass(slots=True)
class Reload:
    """What became of the newest configuration: when it was put in force, and why a newer one was refused."""

    loaded_at: float = 0.0
    refused: str | None = None


class View:
    """The readers' side of the director: snapshots, made once for all who ask within their age.

    What other parts say of themselves they are asked for each snapshot: `orders` for what operators added and removed.
    """

    def __init__(
        self,
        controller: Controller,
        prober: Prober,
        backend: str,
        reload: Reload,
        warnings: Callable[[], tuple[str, ...]],
        *,
        lags: Histogram,
        counts: Callable[[], Counts],
        notifiers: Callable[[], tuple[NotifierStatus, ...]] = tuple,
        state: Callable[[], StateStatus] = StateStatus,
        journal: Callable[[], JournalStatus] = JournalStatus,
        orders: Callable[[], Orders] = Orders,
        events: Callable[[], tuple[tuple[str, int], ...]] = tuple,
        listeners: Callable[[], tuple[ListenerStatus, ...]] = tuple,
        pair: Callable[[], PairStatus | None] = lambda: None,
    ) -> None:
        self._controller = controller
        self._prober = prober
        self._backend = backend
        self._reload = reload
        self._warnings = warnings
        self._lags = lags
        self._counts = counts
        self._notifiers = notifiers
        self._state = state
        self._journal = journal
        self._orders = orders
        self._events = events
        self._listeners = listeners
        self._pair = pair
        self._process = Process().status
        self._started_at = time.time()
        self._remains = Remains()
        self._shared = Shared(self.build, _serves, lambda: self.changes)
        self.changes = 0

    async def snapshot(self, max_age: float) -> Snapshot:
        """Return a snapshot whose counters are at most `max_age` seconds old, where the table answers in time."""
        await self._controller.refresh(max_age)
        return await self._shared.current()

    @property
    def idle(self) -> bool:
        """Whether there is no snapshot that serves, and none that is being made."""
        return self._shared.idle

    def forget(self) -> None:
        """Make the next snapshot anew: whoever changed something is shown the change."""
        self.changes += 1

    async def close(self) -> None:
        """Stop a snapshot that is being made, and keep none."""
        await self._shared.close()

    async def samples(self, max_age: float) -> list[tuple[str, Sample]]:
        """Return a sample of each virtual server, with counters at most so old where the table answers in time."""
        await self._controller.refresh(max_age)
        breath = Breath()
        found = []
        for pool in list(self._controller.pools.by_name.values()):
            key = pool.server.service.key
            reading = self._controller.reading
            usage = _sum(reading.services.get(key), reading.destinations.get(key, {}))
            found.append((pool.server.name, _sample(pool.live_weight, usage)))
            await breath()
        return found

    async def build(self) -> Snapshot:
        """Return a new snapshot; each virtual server in it is consistent in itself."""
        breath = Breath(SLICE)
        await self._remains.clear(breath)
        pools: list[VirtualServerStatus] = []
        parts: list[object] = []
        for pool in list(self._controller.pools.by_name.values()):
            pools.append(await self._virtual_server(pool, breath))
            parts += [*pools[-1].real_servers, pools[-1]]
            await breath()
        ready = self._controller.in_sync and self._controller.pools.settled()
        director = self._director(await self._process(breath))
        snapshot = Snapshot(time.time(), ready, director, tuple(pools), breath.work, self._pair())
        self._remains.follow(snapshot, parts)
        return snapshot

    def _director(self, process: ProcessStatus) -> DirectorStatus:
        controller, prober, counts = self._controller, self._prober, self._counts()
        config = controller.config
        assert config is not None  # noqa: S101  the application adopts a configuration before it shows itself
        return DirectorStatus(
            name=config.director.name,
            version=__version__,
            started_at=self._started_at,
            config=ConfigStatus(
                config.path,
                config.sha256,
                self._reload.loaded_at,
                self._reload.refused,
                config.director.max_reload_change,
                config.api.metrics_per_real_server,
            ),
            table=TableStatus(
                backend=self._backend,
                in_sync=controller.in_sync,
                last_resync_at=controller.read_at,
                drift_repaired_total=controller.drift_repaired_total,
                operations_total=controller.done.total(),
                failed_operations_total=controller.refused.total(),
                failing=controller.failing(),
                done=tuple(controller.done.items()),
                refused=tuple(controller.refused.items()),
                passes=controller.passes.distribution(),
                version=controller.reading.version,
                slots=controller.reading.slots,
            ),
            probing=ProbingStatus(
                probes=len(prober),
                in_flight=prober.in_flight,
                late_total=prober.late_total,
                unsent_total=controller.pools.unsent_total,
                void_total=controller.pools.void_total,
                waiting=prober.waiting + counts.waiting,
                loop_lag=self._lags.distribution(),
                checks=tuple([each.totals() for each in controller.pools.tallies]),
                sockets=SocketCounts(
                    open=counts.sockets_open,
                    kept=counts.sockets_kept,
                    opened_total=counts.sockets_opened_total,
                    reset_total=counts.resets_total,
                    waits_total=counts.waits_total,
                ),
            ),
            warnings=self._warnings(),
            overrides=controller.pools.overriding.overrides,
            additions=self._orders().additions,
            state=self._state(),
            journal=self._journal(),
            notifiers=self._notifiers(),
            events=self._events(),
            listeners=self._listeners(),
            process=process,
        )

    async def _virtual_server(self, pool: Pool, breath: Breath) -> VirtualServerStatus:
        controller = self._controller
        server = pool.server
        key = server.service.key
        row = controller.known.services.get(key) if controller.known is not None else None
        rows = row.destinations if row is not None else {}
        usages = controller.reading.destinations.get(key, {})
        seen = Seen(pool, rows, usages, controller.pools.overriding, controller.pools.steady(), self._prober.due_in)
        real_servers = []
        for member in list(pool.members):
            real_servers.append(real_server(member, seen))
            await breath()
        return VirtualServerStatus(
            name=server.name,
            service=server.service,
            method=server.method,
            state=pool.state,
            quorum=QuorumStatus(server.quorum, pool.live_weight, bool(pool.quorum_met)),
            sorry_server_active=pool.sorry_active,
            usage=_sum(controller.reading.services.get(key), usages),
            real_servers=tuple(real_servers),
            panic=server.panic,
            sorry_servers=tuple([sorry_server(member, seen) for member in list(pool.sorry_members)]),
            leaving=leaving(seen),
            removed=tuple(each for each in self._orders().removals if each.virtual_server == server.name),
            since=pool.since,
        )


def _serves(snapshot: Snapshot) -> float:
    return min(max(LEAST_AGE, REST * snapshot.work), MOST_AGE)


def _sample(live_weight: int, usage: Usage | None) -> Sample:
    if usage is None:
        return Sample(live_weight, None, None, None, None)
    rates = usage.rates
    return Sample(live_weight, usage.active, rates.connections, rates.in_bytes, rates.out_bytes)


def _sum(service: Usage | None, usages: Mapping[Endpoint, Usage]) -> Usage | None:
    if service is None:
        return None
    active = inactive = persistent = 0
    for usage in usages.values():
        active += usage.active
        inactive += usage.inactive
        persistent += usage.persistent
    return Usage(service.stats, service.rates, active, inactive, persistent)
