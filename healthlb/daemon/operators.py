"""Carries out what operators ask for at run time: drain, disable, weights, and real servers added and removed."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from healthlb.core.amend import label
from healthlb.core.overrides import applied, kind, lifted, of_scope, placed
from healthlb.core.weight import MOST_WEIGHT
from healthlb.daemon.controller import Controller
from healthlb.daemon.orders import OrderBook, Unmade, ended, names, what
from healthlb.daemon.steady import Clock
from healthlb.daemon.targets import Found, find, listed, named, no_such_pool, place
from healthlb.daemon.tasks import Tasks
from healthlb.model.changes import Actor, Add, Change, ChangeOutcome, Disable, Drain, Lift, Remove, SetWeight, Target
from healthlb.model.config import Config, RealServer
from healthlb.model.events import OverrideSet, RealServerAdded, RealServerRemoved
from healthlb.model.health import Health
from healthlb.model.overrides import Addition, Override, Removal, Scope

PASS_WAIT = 5.0
"""Seconds that a change waits for the table to follow."""
MOST_OVERRIDES = 10_000
"""Overrides that there may be at once."""
MOST_SERVERS = 1_000
"""Real servers that may be added at run time, and as many that may be removed."""
LONGEST = 10 * 366 * 86_400.0
"""Seconds that an override may last."""
STOPPING = ChangeOutcome("refused", "The director is stopping.")
DONE = {"drain": "drained", "disable": "disabled"}


class Operators:
    """Carries out changes, one after the other. One who asks and goes away does not leave a change half done."""

    def __init__(
        self, book: OrderBook, controller: Controller, tasks: Tasks, clock: Clock, stopping: Callable[[], bool]
    ) -> None:
        self._book = book
        self._controller = controller
        self._tasks = tasks
        self._clock = clock
        self._stopping = stopping

    async def change(self, actor: Actor, change: Change) -> ChangeOutcome:
        """Carry out a change and save it; return once the table follows, or after a bounded wait."""
        return await asyncio.shield(self._tasks.begin(self._carry_out(actor, change)))

    async def _carry_out(self, actor: Actor, change: Change) -> ChangeOutcome:
        outcome = await (self._add(actor, change) if isinstance(change, Add) else self._in_turn(actor, change))
        if outcome.result != "done":
            return outcome
        warnings = outcome.warnings + await self._let_the_table_follow()
        self._book.changed()
        if isinstance(change, Drain | Disable | Remove) or (isinstance(change, SetWeight) and not change.weight):
            warnings += self._without_live_server(outcome.servers)
        return replace(outcome, warnings=warnings)

    async def _let_the_table_follow(self) -> tuple[str, ...]:
        """Make a pass, and wait for it so long; return a warning if the table has not followed."""
        passing = self._tasks.begin(self._controller.make_pass())
        await asyncio.wait([passing], timeout=PASS_WAIT)
        if passing.done() and self._controller.lost is None:
            return ()
        reason = self._controller.lost or "it does not answer"
        return (f"The table has not followed yet ({reason}); the change is carried out as soon as it can be.",)

    async def _in_turn(self, actor: Actor, change: Drain | Disable | SetWeight | Lift | Remove) -> ChangeOutcome:
        async with self._book.turn:
            if self._stopping():
                return STOPPING
            match change:
                case Lift():
                    return await self._lift(actor, change)
                case Remove():
                    return await self._remove(actor, change)
                case _:
                    return await self._override(actor, change)

    @property
    def _config(self) -> Config:
        config = self._controller.config
        assert config is not None  # noqa: S101  a change comes after a start
        return config

    async def _find(self, target: Target) -> Found | ChangeOutcome:
        config, file, removals = self._config, self._book.file, self._book.orders.removals
        return await self._book.think(lambda: _found(config, file, removals, target))

    async def _override(self, actor: Actor, change: Drain | Disable | SetWeight) -> ChangeOutcome:
        fault = _unsound(change)
        if fault:
            return ChangeOutcome("refused", fault, wrong=True)
        found = await self._find(change.target)
        if isinstance(found, ChangeOutcome):
            return found
        override = _ordered(change, found.scope, actor, self._clock())
        orders = placed(self._book.orders, override)
        if len(orders.overrides) > MOST_OVERRIDES:
            return ChangeOutcome(
                "refused", f"There are {MOST_OVERRIDES} overrides already; take some of them back first."
            )
        event = OverrideSet(
            str(found.scope), what(override), actor.who, actor.why, override.expires_at, *names(override, self._config)
        )
        warnings = await self._book.put(orders, [event])
        warnings += await self._book.think(lambda: _decided_by_others(orders.overrides, override, found))
        if not found.servers:
            warnings += (f"No real server has the address {found.scope} now; one that appears later is covered.",)
        return ChangeOutcome("done", _done(override, found), found.pairs, warnings)

    async def _lift(self, actor: Actor, change: Lift) -> ChangeOutcome:
        before = self._book.orders
        found = await self._find(change.target)
        if isinstance(found, ChangeOutcome):
            scope = self._left_over(change.target)
            if scope is None:
                return found
            found = Found(scope, ())
        gone = of_scope(before.overrides, found.scope, change.what)
        orders = lifted(before, found.scope, change.what)
        warnings: tuple[str, ...] = ()
        if gone:
            events = [ended(each, self._config, actor.who, actor.why) for each in gone]
            warnings = await self._book.put(orders, events)
        covering = await self._book.think(lambda: _covering(orders.overrides, found))
        others = [each for each in covering if change.what in {"all", kind(each)}]
        warnings += tuple(f"The override of {_told(each)} stays in force." for each in others[:3])
        if not others and any(kind(each) == "admin" for each in gone):
            warnings += self._not_up(found)
        subject = str(found) if found.servers else str(found.scope)
        taken = f"{' and '.join(what(each) for each in gone)} taken back" if gone else "there is nothing to take back"
        return ChangeOutcome("done", f"{subject}: {taken}.", found.pairs, warnings)

    def _not_up(self, found: Found) -> tuple[str, ...]:
        """Return a warning of servers that have their operators' leave to take traffic, and not their checks'."""
        pools = {pool.name: self._controller.pools.by_name[pool.name] for pool, _ in found.servers}
        members = [each for pool in pools.values() for each in pool.everyone()]
        names = [
            f"{each.server.name} in {each.pool.server.name}"
            for each in members
            if found.scope.covers(each.pool.server.name, each.server.address) and each.standing.health is not Health.UP
        ]
        return (f"Not up, and so without traffic until the checks pass: {listed(names)}.",) if names else ()

    def _left_over(self, target: Target) -> Scope | None:
        """Return the scope of an override of a server that the configuration does not have any more."""
        try:
            address, port = place(target.real_server)
        except ValueError:
            return None
        wanted = Scope(target.virtual_server, address, port)
        scopes = [each.scope for each in self._book.orders.overrides]
        matches = {each for each in scopes if each == wanted or (port is None and replace(each, port=None) == wanted)}
        return matches.pop() if len(matches) == 1 else None

    async def _add(self, actor: Actor, change: Add) -> ChangeOutcome:
        """Add a server. Its files are read before it is its turn, so that nobody else waits for them."""
        while True:
            base = self._config
            if change.virtual_server not in base.virtual_servers:
                return no_such_pool(base, change.virtual_server)
            server = await self._book.make(base, change.virtual_server, self._settings(change))
            async with self._book.turn:
                if self._stopping():
                    return STOPPING
                if self._config is not base:
                    continue
                if isinstance(server, Unmade):
                    why = server.why if server.why.endswith("?") else f"{server.why}."
                    return ChangeOutcome("refused", why, wrong=server.wrong)
                return await self._join(actor, change, server)

    def _settings(self, change: Add) -> str:
        """Return an addition's settings; a name or an address alone stands for the removed server that has it."""
        removals = {each.address for each in self._book.orders.removals if each.virtual_server == change.virtual_server}
        try:
            said = json.loads(change.settings) if removals else None
        except (ValueError, RecursionError):
            return change.settings
        if not isinstance(said, dict) or set(said) != {"address"} or not isinstance(said["address"], str):
            return change.settings
        pool = self._book.file.virtual_servers.get(change.virtual_server)
        servers = [each for each in pool.real_servers if each.address in removals] if pool is not None else []
        found = named(servers, said["address"])
        return json.dumps({"address": str(found[0].address)}) if len(found) == 1 else change.settings

    async def _join(self, actor: Actor, change: Add, server: RealServer) -> ChangeOutcome:
        book, pool = self._book, change.virtual_server
        before, place_of = book.orders, (pool, server.address)
        back = [each for each in before.removals if (each.virtual_server, each.address) == place_of]
        notes: tuple[str, ...] = ()
        if back:
            [removal] = back
            server = next(
                each for each in book.file.virtual_servers[pool].real_servers if each.address == server.address
            )
            orders = replace(before, removals=tuple(each for each in before.removals if each != removal))
            message = f"{label(server)} is back in {pool}, as the file lists it."
            if set(json.loads(change.settings)) - {"address", "name"}:
                notes = ("The settings that were given with it are not used: the file's are.",)
            draft = await book.draft(book.file, orders, book.built)
        else:
            if len(before.additions) >= MOST_SERVERS:
                return ChangeOutcome(
                    "refused", f"{MOST_SERVERS} real servers were added already; put some into the file."
                )
            addition = Addition(pool, server.address, change.settings, actor.who, actor.why, self._clock())
            # One that was kept aside is replaced: its settings are no longer what anybody wants.
            others = tuple(each for each in before.additions if (each.virtual_server, each.address) != place_of)
            orders = replace(before, additions=(*others, addition))
            waits = server.probes and server.initial == "wait"
            message = f"{label(server)} is added to {pool}" + ("; it has to pass its checks first." if waits else ".")
            draft = await book.draft(book.file, orders, {**book.built, addition: server})
        aside = [each for each in draft.amended.aside if each not in book.aside]
        if aside and not back:
            return ChangeOutcome("refused", f"{aside[0]}.")
        event = RealServerAdded(pool, server.name, actor.who, actor.why)
        warnings = await book.put(orders, [event], draft)
        scope = Scope(pool, server.address.address, server.address.port)
        covering = _covering(orders.overrides, Found(scope, ((draft.config.virtual_servers[pool], server),)))
        notes += tuple(f"The override of {_told(each)} covers it." for each in covering[:3])
        return ChangeOutcome(
            "done", message, ((pool, server.name),), warnings + notes + tuple(f"{each}." for each in aside)
        )

    async def _remove(self, actor: Actor, change: Remove) -> ChangeOutcome:
        book = self._book
        if change.target.virtual_server is None:
            return ChangeOutcome("refused", "Name the virtual server that it is to be removed from.", wrong=True)
        found = await self._find(change.target)
        aside = self._kept_aside(change.target)
        if aside is not None and (isinstance(found, ChangeOutcome) or found.servers[0][1].origin != "runtime"):
            return await self._forget(actor, aside)
        if isinstance(found, ChangeOutcome):
            return found
        [(pool, server)] = found.servers
        if server in pool.sorry_servers:
            return ChangeOutcome("refused", f"{label(server)} is a sorry server of {pool.name}; disable it instead.")
        orders = lifted(book.orders, found.scope, "all")
        place_of = (pool.name, server.address)
        if server.origin == "runtime":
            kept = tuple(each for each in orders.additions if (each.virtual_server, each.address) != place_of)
            orders = replace(orders, additions=kept)
            message = f"{found} was added at run time and is removed."
        else:
            if len(orders.removals) >= MOST_SERVERS:
                return ChangeOutcome("refused", f"{MOST_SERVERS} real servers were removed already; edit the file.")
            removal = Removal(pool.name, server.address, actor.who, actor.why, self._clock())
            orders = replace(orders, removals=(*orders.removals, removal))
            message = f"{found} is removed until it is added again or the file lists it no more."
        gone = of_scope(book.orders.overrides, found.scope, "all")
        draft = await book.draft(book.file, orders, book.built)
        events = [RealServerRemoved(pool.name, server.name, actor.who, actor.why)]
        ends = [ended(each, self._config, actor.who, actor.why) for each in gone]
        warnings = await book.put(orders, [*events, *ends], draft)
        return ChangeOutcome("done", message, found.pairs, warnings)

    def _kept_aside(self, target: Target) -> Addition | None:
        """Return the addition without effect that an address stands for: no server in force has its name."""
        try:
            address, port = place(target.real_server)
        except ValueError:
            return None
        pool = self._config.virtual_servers.get(target.virtual_server or "")
        live = {each.address for each in pool.real_servers} if pool is not None else set()
        found = [
            each
            for each in self._book.orders.additions
            if each.virtual_server == target.virtual_server
            and each.address not in live
            and each.address.address == address
            and port in {None, each.address.port}
        ]
        return found[0] if len(found) == 1 else None

    async def _forget(self, actor: Actor, addition: Addition) -> ChangeOutcome:
        """Take back an addition that has no effect."""
        book, name, address = self._book, addition.virtual_server, str(addition.address)
        orders = replace(book.orders, additions=tuple(each for each in book.orders.additions if each != addition))
        draft = await book.draft(book.file, orders, book.built)
        warnings = await book.put(orders, [RealServerRemoved(name, address, actor.who, actor.why)], draft)
        message = f"{address} in {name} was added at run time and kept aside; the addition is taken back."
        return ChangeOutcome("done", message, ((name, address),), warnings)

    def _without_live_server(self, pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Return a warning of the pools among these that have no live server now."""
        pools = [self._controller.pools.by_name.get(name) for name in dict.fromkeys(name for name, _ in pairs)]
        dead = [pool.server.name for pool in pools if pool is not None and not pool.live_weight]
        return (f"No live server is left in {listed(dead)}.",) if dead else ()


def _found(config: Config, file: Config, removals: Iterable[Removal], target: Target) -> Found | ChangeOutcome:
    """Return what a target stands for; of a server that was removed the outcome says so."""
    found = find(config, target)
    if isinstance(found, Found) or found.result != "unknown":
        return found
    in_file = find(file, target)
    if isinstance(in_file, Found):
        for each in removals:
            if in_file.scope == Scope(each.virtual_server, each.address.address, each.address.port):
                [(pool, server)] = in_file.servers
                back = f"`healthlb add {pool.name} {server.name}` brings it back"
                text = f"{in_file} was removed at run time by {each.who}; {back}."
                return ChangeOutcome("unknown", text)
    return found


def _unsound(change: Drain | Disable | SetWeight) -> str | None:
    if change.expires is not None and not 0 < change.expires < LONGEST:
        return "An override has to last for some time: expires must be above 0, and ten years at most."
    if isinstance(change, Drain) and change.deadline is not None and not 0 <= change.deadline < LONGEST:
        return "A deadline is a time from now on: it must not be below 0, and ten years at most."
    if isinstance(change, SetWeight) and not 0 <= change.weight <= MOST_WEIGHT:
        return f"A weight is a number of 0 to {MOST_WEIGHT}, not {change.weight}."
    return None


def _ordered(change: Drain | Disable | SetWeight, scope: Scope, actor: Actor, now: float) -> Override:
    end = now + change.expires if change.expires is not None else None
    plain = Override(scope, who=actor.who, why=actor.why, at=now, expires_at=end)
    match change:
        case SetWeight():
            return replace(plain, weight=change.weight)
        case Disable():
            return replace(plain, admin="disable")
        case Drain():
            deadline = now + change.deadline if change.remove and change.deadline is not None else None
            return replace(plain, admin="drain", remove=change.remove, deadline=deadline)


def _done(override: Override, found: Found) -> str:
    """Return what was done in one sentence."""
    done = DONE[override.admin] if override.admin is not None else f"given weight {override.weight}"
    until = ""
    if override.expires_at is not None:
        end = datetime.fromtimestamp(override.expires_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        until = f", until {end}"
    where = ""
    if found.scope.virtual_server is None:
        pools = list(dict.fromkeys(pool for pool, _ in found.pairs))
        where = f" in {listed(pools)}" if pools else " wherever it appears"
    return f"{found} is {done}{where}{until}."


def _covering(overrides: Iterable[Override], found: Found) -> list[Override]:
    """Return the overrides that cover one of the servers, which have one address."""
    here = [each for each in overrides if each.scope.address == found.scope.address]
    return [
        each for each in here if any(each.scope.covers(pool.name, server.address) for pool, server in found.servers)
    ]


def _decided_by_others(overrides: Sequence[Override], override: Override, found: Found) -> tuple[str, ...]:
    """Return warnings of overrides that keep one from having its effect on some of its servers."""
    others = [each for each in _covering(overrides, found) if each != override]
    deciding = []
    for other in others:
        both = [(pool.name, server) for pool, server in found.servers if other.scope.covers(pool.name, server.address)]
        if any(_prevails(other, override, name, server) for name, server in both):
            deciding.append(other)
    return tuple(f"The override of {_told(each)} goes before it." for each in deciding[:3])


def _prevails(other: Override, override: Override, virtual_server: str, server: RealServer) -> bool:
    together = applied([other, override], virtual_server, server.address)
    if override.weight is not None:
        return other.admin is not None or together.weight != override.weight
    return other.admin is not None and together.admin != override.admin


def _told(override: Override) -> str:
    because = f": {override.why}" if override.why else ""
    return f"{override.scope} ({what(override)}, by {override.who}{because})"
