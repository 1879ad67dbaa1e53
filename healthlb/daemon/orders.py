"""What operators ordered at run time: kept, saved, and worked into the configuration that is in force.

The file's configuration and the orders are kept apart; what is in force follows from both (`core.amend`). Whoever
changes either holds the turn. New orders are saved before they act, so that after a crash the next start finds them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from checks.engine import Engine
from healthlb.config.addition import TakenError
from healthlb.config.faults import ConfigError
from healthlb.core.amend import Amended, Built, amend, to_build, without_removed
from healthlb.core.overrides import expired, next_expiry
from healthlb.daemon.controller import Controller
from healthlb.daemon.pools import Sink
from healthlb.daemon.preflight import unusable
from healthlb.daemon.steady import Clock
from healthlb.daemon.tasks import Tasks
from healthlb.daemon.worker import Answer, Worker
from healthlb.model.config import Config, RealServer
from healthlb.model.events import Event, OverrideEnded, Warned
from healthlb.model.overrides import Addition, Orders, Override

LONGEST_SLEEP = 3600.0
"""Seconds after which the next end of an override is reckoned anew."""

MOST_FAULTS = 20
"""Faults of an addition that a sentence tells."""

Save = Callable[[Orders], Awaitable[str | None]]
"""Saves orders durably; returns a sentence without a full stop where they are not saved yet."""
Make = Callable[[Config, str, str], RealServer]
"""Makes the real server of a virtual server that settings describe; raises ConfigError."""


async def nowhere(orders: Orders) -> str | None:  # noqa: ARG001  a `Save` of no use but for tests and trials
    """Save nothing, and say nothing of it."""
    return None


@dataclass(frozen=True, slots=True)
class Draft:
    """A file's configuration with what it comes to, and the servers that additions make in it."""

    file: Config
    amended: Amended
    built: Built

    @property
    def config(self) -> Config:
        """What would be in force."""
        return self.amended.config


class Unmade(NamedTuple):
    """Why a server cannot be made, in one sentence; `wrong`: for what its settings say, and not for how things are."""

    why: str
    wrong: bool


class OrderBook:
    """The orders, and what is in force by them and the file. `turn` is held by whoever changes either.

    `thoughts` is a thread for reckoning that waits for nothing, `files` one for what may have to wait for a file;
    `changed` is called when what readers are shown has changed.
    """

    def __init__(
        self,
        controller: Controller,
        engine: Engine,
        files: Worker,
        thoughts: Worker,
        turn: asyncio.Lock,
        *,
        make: Make,
        tell: Sink,
        tasks: Tasks,
        clock: Clock,
        changed: Callable[[], None],
        save: Save = nowhere,
    ) -> None:
        self._controller = controller
        self._engine = engine
        self._files = files
        self._thoughts = thoughts
        self._make = make
        self._tell = tell
        self._tasks = tasks
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._draft: Draft | None = None
        self.changed = changed
        self.save = save
        self.turn = turn
        self.orders = Orders()

    @property
    def file(self) -> Config:
        """What the file says, without orders."""
        assert self._draft is not None  # noqa: S101  nobody asks before the start
        return self._draft.file

    @property
    def built(self) -> Built:
        """The servers that additions make in what the file says."""
        return self._draft.built if self._draft is not None else {}

    @property
    def aside(self) -> tuple[str, ...]:
        """The additions that have no effect now, each with the reason."""
        return self._draft.amended.aside if self._draft is not None else ()

    async def begin(self, orders: Orders) -> None:
        """Take up orders that were saved, before the first configuration is adopted."""
        self.orders, over = expired(orders, self._clock())
        self._tell_ends(over)
        if over:
            await self.save(self.orders)
        await self._controller.override(self.orders.overrides)
        self._wind()

    async def build(self, file: Config) -> Built:
        """Make the servers that were added at run time as a file's configuration has them; it needs no turn."""
        return await self._build(file, self.orders, {})

    async def draft(self, file: Config, orders: Orders, built: Built) -> Draft:
        """Return what a file's configuration and orders come to; what is not built by now is."""
        built = await self._build(file, orders, built)
        return Draft(file, await self._thoughts.do(lambda: amend(file, orders, built)), built)

    async def adopt(self, draft: Draft) -> None:
        """Put a configuration in force as it was amended; tell of and save what that did to the orders.

        Orders that are over are part of what a reload tells; a start tells of them here.
        """
        over = draft.amended.over if self._draft is None else ()
        for sentence in (*over, *(each for each in draft.amended.aside if each not in self.aside)):
            self._tell(Warned(f"{sentence}."))
        self._tell_of_overrides_without_a_pool(draft.config)
        await self._controller.adopt(draft.config)
        self._draft = draft
        if draft.amended.orders != self.orders:
            self.orders = draft.amended.orders
            await self.save(self.orders)

    async def put(self, orders: Orders, events: Iterable[Event], draft: Draft | None = None) -> tuple[str, ...]:
        """Save orders, tell of them, and let them act with the next pass; return a warning where they are not saved.

        A `draft` is what they come to where they add or remove servers.
        """
        unsaved = await self.save(orders)
        for event in events:
            self._tell(event)
        before, self.orders = self.orders, orders
        if before.overrides != orders.overrides:
            await self._controller.override(orders.overrides)
        if draft is not None:
            await self.adopt(draft)
        self._wind()
        self.changed()
        return (f"The change is made, but {unsaved}.",) if unsaved else ()

    async def think(self, work: Callable[[], Answer]) -> Answer:
        """Reckon something long off the loop."""
        return await self._thoughts.do(work)

    async def make(self, config: Config, virtual_server: str, settings: str) -> RealServer | Unmade:
        """Make one server, and prepare its checks; return why it cannot be."""

        def work() -> RealServer | Unmade:
            try:
                server = self._make(config, virtual_server, settings)
            except ConfigError as error:
                return Unmade(_faults(error), wrong=not isinstance(error, TakenError))
            pool = replace(config.virtual_servers[virtual_server], real_servers=(server,), sorry_servers=())
            fault = unusable(self._engine, replace(config, virtual_servers={virtual_server: pool}))
            return Unmade(fault, wrong=False) if fault else server

        return await self._files.do(work)

    def close(self) -> None:
        """End no more overrides."""
        if self._timer is not None:
            self._timer.cancel()

    async def _build(self, file: Config, orders: Orders, built: Built) -> Built:
        missing = await self._thoughts.do(lambda: [each for each in to_build(file, orders) if each not in built])
        if not missing:
            return built
        base = await self._thoughts.do(lambda: without_removed(file, orders.removals))
        more: dict[Addition, RealServer | str] = {}
        for each in missing:
            server = await self.make(base, each.virtual_server, each.settings)
            if isinstance(server, Unmade):
                more[each] = server.why
            elif server.address != each.address:
                more[each] = f"by its settings it would be at {server.address} now"
            else:
                more[each] = server
        return {**built, **more}

    def _wind(self) -> None:
        """Set the one timer to the earliest end of an override."""
        self.close()
        end = next_expiry(self.orders)
        if end is not None:
            wait = min(max(0.0, end - self._clock()), LONGEST_SLEEP)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(wait, lambda: self._tasks.begin(self._expire()))

    async def _expire(self) -> None:
        async with self.turn:
            orders, over = expired(self.orders, self._clock())
            if over:
                await self.put(orders, [ended(each, self._controller.config) for each in over])
            else:
                self._wind()

    def _tell_of_overrides_without_a_pool(self, config: Config) -> None:
        """Tell of what a renamed virtual server leaves behind: one that was drained there has traffic again."""
        before = self._draft.config.virtual_servers if self._draft is not None else None
        for each in self.orders.overrides:
            name = each.scope.virtual_server
            if name is not None and name not in config.virtual_servers and (before is None or name in before):
                because = f"there is no virtual server {name}"
                self._tell(Warned(f"{each.scope}: {what(each)} by {each.who} has no effect now: {because}."))

    def _tell_ends(self, over: Iterable[Override]) -> None:
        for each in over:
            self._tell(ended(each, self._controller.config))


def _faults(error: ConfigError) -> str:
    """Return what is wrong with settings, key by key: nobody has the text before them that a line and column are of."""
    told = (f"{each.key}: {each.message}" if each.key else each.message for each in error.faults[:MOST_FAULTS])
    more = len(error.faults) + error.more - MOST_FAULTS
    return "; ".join([*told, *([f"and {more} more"] if more > 0 else [])])


def what(override: Override) -> str:
    """Return an override in a word or two: `drain`, `disable`, `weight 5`."""
    if override.weight is not None:
        return f"weight {override.weight}"
    if override.admin == "drain" and override.remove:
        return "drain and remove"
    return override.admin or "nothing"


def names(override: Override, config: Config | None) -> tuple[str | None, str | None]:
    """Return the virtual and the real server that an override of one server is about, by a configuration."""
    scope = override.scope
    pool = config.virtual_servers.get(scope.virtual_server or "") if config is not None else None
    if pool is None:
        return scope.virtual_server, None
    servers = (*pool.real_servers, *pool.sorry_servers)
    found = (each.name for each in servers if scope.covers(pool.name, each.address))
    return pool.name, next(found, None) if scope.port is not None else None


def ended(override: Override, config: Config | None, who: str = "", why: str = "") -> OverrideEnded:
    """Return the event of an override's end: by somebody, or because its time is over."""
    return OverrideEnded(str(override.scope), what(override), who, why, *names(override, config))
