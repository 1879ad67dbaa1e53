"""The director's listeners: opened at start, moved by a reload, closed at stop."""

import asyncio
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from healthlb.api.application import admin_application, read_only_application
from healthlb.api.connections import Traffic
from healthlb.api.listening import ListenError
from healthlb.api.server import RunningServer, serve
from healthlb.api.source import Admin, EventSource, Failovers, HistorySource, SnapshotSource
from healthlb.daemon.fault import describe
from healthlb.model.config import Api, Listener
from healthlb.model.snapshot import ListenerStatus

LOG = logging.getLogger("healthlb")


@dataclass(frozen=True, slots=True)
class _Door:
    """What makes a door another one: where it is, and what the files of its token, certificate and key hold."""

    listener: Listener
    token: str | None = None
    certificate: tuple[bytes, ...] = ()


class Doors:
    """Serves what the `api` section says. A reload opens the new listeners before it lets go of the old ones."""

    def __init__(
        self,
        source: SnapshotSource,
        admin: Admin,
        events: EventSource | None = None,
        history: HistorySource | None = None,
        failovers: Failovers | None = None,
    ) -> None:
        self._source = source
        self._admin = admin
        self._events = events
        self._history = history
        self._failovers = failovers
        self._served: dict[str, tuple[_Door, RunningServer]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._traffic: dict[str, Traffic] = {}

    async def open(self, api: Api) -> None:
        """Serve as the section says; raise ListenError, with everything as it was, where that cannot be.

        Those who are being served by a listener that goes get their answer, this reload's own caller among them.
        """
        doors = {"listen": _Door(api.listen)}
        context = _context(api)
        if api.admin is not None:
            doors["admin"] = _Door(api.admin, _token(api), _certificate(api))
        leaving = {name: server for name, (door, server) in self._served.items() if doors.get(name) != door}
        new: dict[str, tuple[_Door, RunningServer]] = {}
        gave_way: list[RunningServer] = []
        try:
            for name, door in doors.items():
                if name in self._served and name not in leaving:
                    continue
                for old in [server for server in leaving.values() if _overlap(server.listener, door.listener)]:
                    old.give_way()
                    gave_way.append(old)
                application = self._application(name, door)
                new[name] = door, await serve(application, door.listener, context if name == "admin" else None)
        except ListenError:
            for _, server in new.values():
                await server.close()
            for old in gave_way:
                await old.come_back()
            raise
        for name, server in leaving.items():
            del self._served[name]
            self._leave(server)
        self._served |= new

    def statuses(self) -> tuple[ListenerStatus, ...]:
        """Return what came to each listener that there is or was."""
        return tuple(traffic.status(name) for name, traffic in self._traffic.items())

    async def close(self) -> None:
        """Serve nothing more."""
        for _, server in self._served.values():
            self._leave(server)
        self._served = {}
        await asyncio.gather(*self._leaving)

    def _application(self, name: str, door: _Door) -> web.Application:
        traffic = self._traffic.setdefault(name, Traffic())
        if name == "listen":
            return read_only_application(self._source, events=self._events, history=self._history, traffic=traffic)
        return admin_application(
            self._source,
            self._admin,
            door.token,
            events=self._events,
            history=self._history,
            traffic=traffic,
            failovers=self._failovers,
        )

    def _leave(self, server: RunningServer) -> None:
        leaving = asyncio.get_running_loop().create_task(_close(server))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


async def _close(server: RunningServer) -> None:
    try:
        await server.close()
    except Exception as error:  # noqa: BLE001  the others are let go of all the same
        LOG.error("%s", describe(error))  # noqa: TRY400  one line, no traceback


def _overlap(one: Listener, other: Listener) -> bool:
    """Tell whether two listeners cannot be there at once: the same socket file, or the same port of any address."""
    if one.endpoint is None or other.endpoint is None:
        return one == other
    return one.endpoint.port == other.endpoint.port


def _token(api: Api) -> str | None:
    if api.token_file is None:
        return None
    try:
        token = Path(api.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ListenError(f"the admin token cannot be read from {api.token_file}: {error}") from error
    if not token:
        raise ListenError(f"the admin token file {api.token_file} is empty; put a secret into it")
    return token


def _context(api: Api) -> ssl.SSLContext | None:
    if api.admin is None or api.certificate_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(api.certificate_file, api.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"the admin certificate {api.certificate_file} cannot be used: {error}") from error
    return context


def _certificate(api: Api) -> tuple[bytes, ...]:
    files = [each for each in (api.certificate_file, api.key_file) if each is not None]
    try:
        return tuple(Path(each).read_bytes() for each in files)
    except OSError as error:
        raise ListenError(f"the admin certificate {api.certificate_file} cannot be used: {error}") from error
