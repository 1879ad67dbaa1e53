"""A pool of the status as the core knows it, so that what becomes of it is reckoned and not guessed (`core.outlook`).

Every function raises KeyError, TypeError or ValueError where the status is not one.
"""

from typing import Any

from healthlb.cli.times import moment
from healthlb.core.decision import Leaving
from healthlb.core.desired import Standing
from healthlb.core.flapping import Flaps
from healthlb.core.outlook import Ahead, Outset, Start
from healthlb.core.overrides import applied
from healthlb.model.config import FlapDamping, Quorum, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import CheckState, Feedback, Health, Schedule
from healthlb.model.overrides import Override, Scope
from healthlb.model.table import Destination, Method, Service, ServiceKey

_NAT = Method("nat")
"""How packets are sent on makes no difference here."""
HINTED = {"file"}
"""The types of checks that something else than time may have probed: a change of the file."""


def start(pool: dict[str, Any], now: float) -> Start:
    """Return a virtual server's pool; `now` is the moment of the status, in UNIX seconds."""
    name = str(pool["name"])
    quorum = pool["quorum"]
    everyone = [*pool["real_servers"], *pool["sorry_servers"]]
    rows = {_address(each["address"]): each["weight"]["kernel"] for each in everyone}
    rows |= {_address(each["address"]): 0 for each in pool["leaving"]}
    server = VirtualServer(
        name,
        Service(ServiceKey.marked(1, "inet"), str(pool["scheduler"])),
        _NAT,
        tuple([_server(each) for each in pool["real_servers"]]),
        Quorum(quorum["up"], quorum["hysteresis"]),
        float(pool["panic"]),
        tuple([_server(each) for each in pool["sorry_servers"]]),
    )
    return Start(
        server,
        tuple([_outset(each, name) for each in pool["real_servers"]]),
        tuple([_outset(each, name).standing for each in pool["sorry_servers"]]),
        {address: Destination(address, _NAT, weight) for address, weight in rows.items() if weight is not None},
        now,
        bool(quorum["met"]),
        tuple([Leaving(_address(each["address"]), moment(each["until"])) for each in pool["leaving"]]),
    )


def _address(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    return Endpoint(host.removeprefix("[").removesuffix("]"), int(port))


def _server(server: dict[str, Any]) -> RealServer:
    policy = server["policy"]
    damping = policy["flap_damping"]
    return RealServer(
        str(server["name"]),
        _address(server["address"]),
        _NAT,
        (),
        weight=int(server["weight"]["configured"]),
        require=policy["require"],
        on_failure=policy["on_failure"],
        initial=policy["initial"],
        slow_start=float(policy["slow_start"]),
        flap_damping=None if damping is None else FlapDamping(**damping),
    )


def _outset(server: dict[str, Any], pool: str) -> Outset:
    turns, checks = server["turns"], server["checks"]
    overrides = tuple([_override(each) for each in server["overrides"]])
    held_until = _moment(turns["held_until"])
    flaps = Flaps(tuple(map(moment, turns["recent"])), int(turns["level"]), held_until)
    standing = Standing(
        Health(server["health"]),
        any(each["streak"] and not each["passing"] for each in checks),
        tuple([Feedback(**each["feedback"]) for each in checks if each["feedback"] is not None]),
        _moment(turns["turned_at"]) or 0.0,
        _moment(turns["recovered_at"]),
        held_until,
        applied(overrides, pool, _address(server["address"])),
    )
    return Outset(standing, flaps, tuple(map(_ahead, checks)), overrides)


def _ahead(check: dict[str, Any]) -> Ahead:
    state = CheckState(Health(check["health"]), bool(check["passing"]), int(check["streak"]))
    due = _moment(check["next_at"])
    return Ahead(state, Schedule(**check["schedule"]), 0.0 if due is None else due, check["type"] in HINTED)


def _override(override: dict[str, Any]) -> Override:
    return Override(
        Scope(override["virtual_server"], override["address"], override["port"]),
        override["admin"],
        override["weight"],
        bool(override["remove"]),
        _moment(override["deadline"]),
        expires_at=_moment(override["expires_at"]),
    )


def _moment(text: str | None) -> float | None:
    return None if text is None else moment(text)
