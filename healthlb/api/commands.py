"""The commands: what an operator may ask for, as routes, bodies and answers."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from healthlb.api import bodies, failing_over, shapes
from healthlb.api.answers import JSON, Handler, answer, failure
from healthlb.api.bodies import BodyError, Kind, body_of
from healthlb.api.callers import Callers
from healthlb.api.connections import Connections
from healthlb.api.guard import Guard
from healthlb.api.routes import UNFORESEEN, UNREAD, Route, add_route, told
from healthlb.api.source import Admin, Failovers, ReloadOutcome
from healthlb.model.changes import (
    Actor,
    Add,
    Change,
    ChangeOutcome,
    Disable,
    Drain,
    Lift,
    Remove,
    SetWeight,
    Target,
)

_log = logging.getLogger(__name__)

POOL = "/api/v1/virtual_servers/{vs}/real_servers"
PLACES = (POOL + "/{rs}", "/api/v1/hosts/{host}")
"""Below these a real server, or all that has an address, is changed."""

_STATUS = {"done": 200, "unknown": 404, "refused": 409}
_SAID: Mapping[str, Kind] = {"why": bodies.one_line(bodies.LONGEST_TEXT), "by": bodies.one_line(bodies.LONGEST_NAME)}
"""In every body: the reason, and on whose behalf, by the caller's own word."""

_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True, slots=True)
class Command:
    """One command on a real server: the keys that its body may have, and the change that it stands for."""

    name: str
    method: str
    path: str
    summary: str
    change: Callable[[Target, Mapping[str, Any]], Change]
    kinds: Mapping[str, Kind]
    required: str = ""


def _drain(target: Target, body: Mapping[str, Any]) -> Drain:
    remove, deadline = body.get("remove", False), body.get("deadline")
    if deadline is not None and not remove:
        raise BodyError("deadline: goes with remove: true, as a drain alone takes nothing out.")
    return Drain(target, remove, deadline, body.get("expires"))


COMMANDS = (
    Command(
        "drain",
        "POST",
        "/drain",
        "Give no new connections",
        _drain,
        {"remove": bodies.boolean, "deadline": bodies.duration, "expires": bodies.duration},
    ),
    Command(
        "undrain", "POST", "/undrain", "Take back a drain and a disable", lambda target, _: Lift(target, "admin"), {}
    ),
    Command(
        "disable",
        "POST",
        "/disable",
        "Take the row out now",
        lambda target, body: Disable(target, body.get("expires")),
        {"expires": bodies.duration},
    ),
    Command(
        "enable", "POST", "/enable", "Take back a drain and a disable", lambda target, _: Lift(target, "admin"), {}
    ),
    Command(
        "weight",
        "PUT",
        "/weight",
        "Give another weight",
        lambda target, body: SetWeight(target, body["weight"], body.get("expires")),
        {"weight": bodies.weight, "expires": bodies.duration},
        "weight",
    ),
    Command("weight", "DELETE", "/weight", "Take back another weight", lambda target, _: Lift(target, "weight"), {}),
)


_REFUSALS = {
    401: told("Over TCP this needs the token.", shapes.Failure, "WWW-Authenticate"),
    403: told("A page of another site asks.", shapes.Failure),
    413: told("The body is too large.", shapes.Failure),
    415: told("The body is said to be no JSON.", shapes.Failure),
    429: told("Too many wrong tokens came from this address.", shapes.Failure, "Retry-After"),
    500: UNFORESEEN,
    503: UNREAD,
}


def _route(method: str, path: str, summary: str, kinds: Mapping[str, Kind], required: str = "") -> Route:
    """Return the route of a change."""
    answers = {
        200: told("It is done.", shapes.Changed),
        404: told("Nothing has that name.", shapes.Changed | shapes.Failure),
        409: told("It is refused, as the message says.", shapes.Changed),
        422: told("The body cannot be taken, or a name stands for several servers.", shapes.Changed),
    }
    body = {**kinds, **_SAID}
    return Route(method, path, summary, {**answers, **_REFUSALS}, body=body, required=required, guarded=True)


ADD = _route("POST", POOL, "Add a real server", {"real_server": bodies.record}, "real_server")
REMOVE = _route("DELETE", POOL + "/{rs}", "Remove a real server until it is added again", {})
RELOAD = Route(
    "POST",
    "/api/v1/reload",
    "Read the configuration again",
    {
        200: told("It is in force.", shapes.Reloaded),
        202: told("The reload has begun; wait is false.", shapes.Reloaded),
        422: told("The file is refused, or the body cannot be taken.", shapes.Reloaded | shapes.Changed),
        **_REFUSALS,
    },
    body={"force": bodies.boolean, "wait": bodies.boolean, **_SAID},
    guarded=True,
)
FAILOVER = Route(
    "POST",
    "/api/v1/vrrp/{instance}/failover",
    "Hand an instance over to the other director, or take it back",
    {**failing_over.ANSWERS, **_REFUSALS},
    body={**failing_over.KINDS, **_SAID},
    guarded=True,
)


class Commands:
    """Takes commands, hands them to the director and answers with what came of them.

    A caller may wait for as long as the director takes. What has begun is carried out although it goes away. Each
    command leaves a line in the log.
    """

    def __init__(
        self, admin: Admin, callers: Callers, connections: Connections, failovers: Failovers | None = None
    ) -> None:
        self._admin = admin
        self._failovers = failovers
        self._connections = connections
        self._callers = callers
        self._under_way: set[asyncio.Task[Any]] = set()

    def add_routes(self, application: web.Application, guard: Guard) -> None:
        """Add all commands, guarded."""

        def add(name: str, route: Route, handler: Handler) -> None:
            add_route(application, route, guard.guarded(name, _judged(handler)))

        for place in PLACES:
            for each in COMMANDS:
                route = _route(each.method, place + each.path, each.summary, each.kinds, each.required)
                add(each.name, route, self._of_target(each))
        add("add", ADD, self._add)
        add("remove", REMOVE, self._remove)
        add("reload", RELOAD, self._reload)
        add("failover", FAILOVER, self._failover)

    def _of_target(self, command: Command) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await body_of(request, {**command.kinds, **_SAID}, command.required)
            target = _target(request)
            return await self._change(request, body, command.change(target, body), f"{command.name} of {target}")

        return handle

    async def _add(self, request: web.Request) -> web.StreamResponse:
        body = await body_of(request, ADD.body or {}, ADD.required)
        pool = request.match_info["vs"]
        return await self._change(request, body, Add(pool, json.dumps(body["real_server"])), f"add to {pool}")

    async def _remove(self, request: web.Request) -> web.StreamResponse:
        body = await body_of(request, _SAID)
        target = _target(request)
        return await self._change(request, body, Remove(target), f"remove of {target}")

    async def _reload(self, request: web.Request) -> web.StreamResponse:
        body = await body_of(request, RELOAD.body or {})
        actor = await self._actor(request, body)
        reload = self._reloaded(actor, force=body.get("force", False))
        if not body.get("wait", True):
            self._begin(reload).add_done_callback(_told)
            begun: shapes.Reloaded = {"accepted": None, "message": "The reload has begun.", "changes": []}
            return answer(begun, status=202)
        outcome = await self._seen_through(request, reload)
        told: shapes.Reloaded = {
            "accepted": outcome.accepted,
            "message": outcome.message,
            "changes": outcome.changes,
        }
        if not outcome.accepted:
            told["error"] = outcome.message
        return answer(told, status=200 if outcome.accepted else 422)

    async def _reloaded(self, actor: Actor, *, force: bool) -> ReloadOutcome:
        outcome = await self._admin.reload(actor, force=force)
        _log.info("reload asked by %s: %s", actor.who, outcome.message)
        return outcome

    async def _failover(self, request: web.Request) -> web.StreamResponse:
        body = await body_of(request, FAILOVER.body or {})
        instance = request.match_info["instance"]
        if not instance.isprintable():
            return failure(404, f"There is nothing at {request.rel_url.raw_path}.")
        actor = await self._actor(request, body)
        back, force = body.get("back", False), body.get("force", False)
        work = failing_over.failed_over(self._failovers, actor, instance, back=back, force=force)
        return failing_over.answered(await self._seen_through(request, work))

    async def _change(
        self, request: web.Request, body: Mapping[str, Any], change: Change, what: str
    ) -> web.StreamResponse:
        if any(not name.isprintable() for name in request.match_info.values()):
            return failure(404, f"There is nothing at {request.rel_url.raw_path}.")
        actor = await self._actor(request, body)
        return _answered(await self._seen_through(request, self._changed(actor, change, what)))

    async def _changed(self, actor: Actor, change: Change, what: str) -> ChangeOutcome:
        outcome = await self._admin.change(actor, change)
        _log.info("%s asked by %s: %s: %s", what, actor.who, outcome.result, outcome.message)
        return outcome

    async def _actor(self, request: web.Request, body: Mapping[str, Any]) -> Actor:
        who = await self._callers.who(request)
        by = body.get("by")
        return Actor(f"{who} for {by} (claimed)" if by else who, body.get("why", ""))

    async def _seen_through(self, request: web.Request, work: Coroutine[Any, Any, _Outcome]) -> _Outcome:
        """Return what comes of it, for as long as the caller waits.

        It goes on where the caller does not, and the log has its fault then.
        """
        task = self._begin(work)
        try:
            while not task.done():
                self._connections.started(request.protocol)
                await asyncio.wait([task], timeout=self._connections.limits.request / 2)
            return task.result()
        except asyncio.CancelledError:
            task.add_done_callback(_told)
            raise

    def _begin(self, work: Coroutine[Any, Any, _Outcome]) -> asyncio.Task[_Outcome]:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task


def _told(task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.error("a command that nobody waits for failed: %s: %s", type(error).__name__, error)


def _judged(handler: Handler) -> Handler:
    """Return a handler that answers a body that is no JSON or cannot be taken (RFC 9110 sections 15.5.16, 15.5.21)."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.can_read_body and "Content-Type" in request.headers and request.content_type != JSON:
            return failure(415, f"A body is to be {JSON}, as its Content-Type is to say.", Accept=JSON)
        try:
            return await handler(request)
        except BodyError as error:
            return _answered(ChangeOutcome("refused", str(error), wrong=True))

    return handle


def _target(request: web.Request) -> Target:
    names = request.match_info
    return Target(names["host"]) if "host" in names else Target(names["rs"], names["vs"])


def _answered(outcome: ChangeOutcome) -> web.Response:
    said: shapes.Changed = {
        "result": outcome.result,
        "message": outcome.message,
        "servers": [{"virtual_server": pool, "real_server": server} for pool, server in outcome.servers],
        "warnings": outcome.warnings,
    }
    if outcome.result != "done":
        said["error"] = outcome.message
    return answer(said, 422 if outcome.wrong else _STATUS[outcome.result])
