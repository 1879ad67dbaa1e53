"""Keeps IPVS's connection sync daemons as the file wants them, and notes whether the peer is heard.

Level-based: every look reads what runs, so that a daemon that somebody stopped, an interface that was not there yet and
a module that was loaded again are one case.
"""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from healthlb.core.sync import StartSync, operations, restarts, wanted
from healthlb.daemon.pools import Sink
from healthlb.daemon.worker import Worker
from healthlb.linux.ipvs_sync import SyncError, SyncTable
from healthlb.linux.sync_listener import SyncListener
from healthlb.model.vrrp import ConnectionSync, SyncDaemon, SyncRole, Vrrp
from healthlb.model.vrrp_events import SyncFailed, SyncPeerHeard, SyncStarted
from healthlb.model.vrrp_status import SyncStatus

LOOK = 1.0
"""Seconds between looks for the peer's packets; what runs is read every `READ` of them, and at once after a change."""
READ = 10
Listen = Callable[[str, str, int, int], SyncListener]


def index_of(interface: str) -> int:
    """Return the index of an interface, 0 where there is none of that name."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0


@dataclass(slots=True)
class _Seen:
    """What the last look found. Another thread writes it whole."""

    running: tuple[SyncDaemon, ...] = ()
    problems: Mapping[SyncRole, str] = field(default_factory=dict)
    unread: str = ""


class Syncing:
    """One director's sync daemons. Used from the loop; what blocks is done by a thread of its own.

    `table` is None where there is nothing to keep, as in a dry run. `master` says whether an instance is MASTER. An
    interface that was removed and made again has another index: the kernel's daemons go on with the one that is gone,
    deaf and dumb, and are started anew.
    """

    def __init__(
        self,
        table: SyncTable | None,
        tell: Sink,
        master: Callable[[str], bool],
        chance: random.Random,
        *,
        listen: Listen = SyncListener,
        index: Callable[[str], int] = index_of,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._tell = tell
        self._master = master
        self._chance = chance
        self._listen = listen
        self._index_of = index
        self._index = 0
        self._anew = False
        self._clock = clock
        self._worker = Worker("sync")
        self._settings: ConnectionSync | None = None
        self._asked: dict[SyncRole, SyncDaemon] = {}
        self._seen = _Seen()
        self._listener: SyncListener | None = None
        self._heard_at: float | None = None
        self._changed = asyncio.Event()

    def adopt(self, vrrp: Vrrp | None) -> None:
        """Follow a configuration."""
        settings = None if vrrp is None else vrrp.sync
        if settings != self._settings:
            self._settings = settings
            self._index, self._anew = 0, False
            self._heard_at = None
            self._drop_listener()
        self._changed.set()

    def hurry(self) -> None:
        """Look at once, because an instance changed its state."""
        self._changed.set()

    def statuses(self) -> tuple[SyncStatus, ...]:
        """Return the daemons that are wanted or run."""
        want = {daemon.role: daemon for daemon in self._wanted()}
        running = {daemon.role: daemon for daemon in self._seen.running}
        return tuple(
            SyncStatus(
                role=role,
                interface=daemon.interface,
                id=daemon.id,
                running=role in running,
                wanted=role in want,
                last_packet_at=self._heard_at if role == "backup" else None,
                problem=self._seen.problems.get(role, "") or (self._seen.unread if role in want else ""),
            )
            for role, daemon in (running | want).items()
        )

    async def run(self) -> None:
        """Keep at it until cancelled."""
        while self._table is not None:
            self._changed.clear()
            if self._settings is not None or self._asked:
                await self._look(self._table)
            for _ in range(READ):
                self._hear()
                delay = LOOK * self._chance.uniform(0.9, 1.1)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._changed.wait()
                    break

    async def close(self) -> None:
        """Let go; the daemons stay, so that a restart interrupts nothing."""
        self._drop_listener()
        self._worker.close()
        if self._table is not None:
            self._table.close()

    def _wanted(self) -> tuple[SyncDaemon, ...]:
        settings = self._settings
        return wanted(settings, master=settings is not None and self._master(settings.instance))

    async def _look(self, table: SyncTable) -> None:
        want, asked, before = self._wanted(), dict(self._asked), self._seen
        anew, self._anew = self._anew, False
        self._seen, started = await self._worker.do(lambda: _keep(table, want, asked, anew=anew))
        self._anew = self._anew or (anew and bool(self._seen.problems or self._seen.unread))
        self._asked = {daemon.role: daemon for daemon in want if daemon.role not in self._seen.problems}
        if self._seen.unread:
            self._asked = asked
        for daemon in started:
            self._tell(SyncStarted(daemon.role, daemon.interface, daemon.id))
        for role, problem in self._seen.problems.items():
            if before.problems.get(role) != problem:
                self._tell(SyncFailed(role, problem))
        if self._seen.unread and before.unread != self._seen.unread:
            self._tell(SyncFailed("master", self._seen.unread))

    def _hear(self) -> None:
        settings = self._settings
        if settings is None:
            return
        self._look_at_interface(settings.interface)
        if self._listener is None:
            try:
                self._listener = self._listen(settings.interface, settings.group, settings.port, settings.id)
            except OSError:
                return
        source = self._listener.heard()
        if source:
            if self._heard_at is None:
                self._tell(SyncPeerHeard(settings.id, source))
            self._heard_at = self._clock()

    def _look_at_interface(self, name: str) -> None:
        index = self._index_of(name)
        if index and self._index not in {0, index}:
            self._anew = True
            self._drop_listener()
            self._changed.set()
        self._index = index or self._index

    def _drop_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def _keep(
    table: SyncTable, want: tuple[SyncDaemon, ...], asked: Mapping[SyncRole, SyncDaemon], *, anew: bool
) -> tuple[_Seen, list[SyncDaemon]]:
    """Make what runs what is wanted, `anew` whatever runs; return what was seen then, and what was started."""
    try:
        running = {daemon.role: daemon for daemon in table.read()}
    except SyncError as problem:
        return _Seen(unread=str(problem)), []
    problems: dict[SyncRole, str] = {}
    started = []
    for operation in (restarts if anew else operations)(tuple(running.values()), want, asked):
        role = operation.daemon.role if isinstance(operation, StartSync) else operation.role
        try:
            table.carry_out(operation)
        except SyncError as problem:
            problems[role] = str(problem)
            continue
        if isinstance(operation, StartSync):
            running[role] = replace(operation.daemon)
            started.append(operation.daemon)
        else:
            running.pop(role, None)
    return _Seen(tuple(running.values()), problems), started
