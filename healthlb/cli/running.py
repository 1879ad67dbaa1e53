"""What a running director knows and was ordered, as its HTTP tells: what a plan for it starts from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from healthlb.cli import client
from healthlb.cli.times import moment
from healthlb.core.decision import Leaving, Level
from healthlb.core.desired import Standing
from healthlb.core.rehearsal import Known
from healthlb.core.slow_start import STEPS
from healthlb.model.config import Config, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Health
from healthlb.model.overrides import Addition, Orders, Override, Removal, Scope
from healthlb.model.table import Method, Service, ServiceKey


@dataclass(frozen=True, slots=True)
class Running:
    """What is known of its servers at the moment `now` (UNIX seconds), and the orders that it has.

    `levels` are its pools: quorums, and rows that leave. `guessed` are the additions whose settings it would not tell:
    they are made of what the status shows. `most` is the share of the live weight, in percent, that it lets a reload
    take out, None where nobody knows: that of the configuration in force counts, not that of the file to come.
    """

    known: Known = field(default_factory=dict)
    levels: Mapping[ServiceKey, Level] = field(default_factory=dict)
    orders: Orders = field(default_factory=Orders)
    now: float = 0.0
    guessed: tuple[Addition, ...] = ()
    most: float | None = None


def running(way: client.Way, admin: client.Way | None, file: Config) -> Running:
    """Return what a director tells; only the one at `admin` tells with which settings servers were added.

    For how long a server climbs or leaves, no status tells: the same is believed to be so as in `file`.

    Raise `client.UnreachableError` and `client.WrongUrlError`.
    """
    _, status = client.fetch_object(way, "/api/v1/status")
    try:
        pools, director = status["virtual_servers"], status["director"]
        overrides = tuple(map(_override, director.get("overrides", ())))
        removals = tuple(
            Removal(pool["name"], endpoint(each["address"]), each["who"], each["why"], moment(each["at"]))
            for pool in pools
            for each in pool.get("removed", ())
        )
        told = director.get("added", [])
        settings = _settings(admin) if told else {}
        additions = tuple(_addition(each, settings, pools) for each in told)
        guessed = tuple(each for each in additions if (each.virtual_server, str(each.address)) not in settings)
        now = moment(status["taken_at"])
        most = director.get("config", {}).get("max_reload_change")
        most = None if most is None else float(most)
        known = {
            (pool["name"], endpoint(server["address"])): _standing(server, file.virtual_servers.get(pool["name"]), now)
            for pool in pools
            for server in (*pool["real_servers"], *pool.get("sorry_servers", ()))
        }
        levels = [_level(pool, file.virtual_servers.get(pool["name"])) for pool in pools]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise client.UnreachableError(
            f"what answers at {way.url} is no healthlb director that this version understands."
        ) from error
    by_key = {level.server.service.key: level for level in levels}
    return Running(known, by_key, Orders(overrides, additions, removals), now, guessed, most)


def endpoint(text: str) -> Endpoint:
    """Return the endpoint that `192.0.2.1:80` or `[2001:db8::1]:80` spells; raise ValueError."""
    address, _, port = text.rpartition(":")
    return Endpoint(address.strip("[]"), int(port))


def _settings(admin: client.Way | None) -> Mapping[tuple[str, str], str]:
    """Return the settings of added servers, as far as the director tells them to whoever asks."""
    if admin is None:
        return {}
    try:
        _, orders = client.fetch_object(admin, "/api/v1/overrides")
    except (client.UnreachableError, client.WrongUrlError):
        return {}
    return {
        (each["virtual_server"], each["address"]): each["settings"] for each in orders["added"] if "settings" in each
    }


def _addition(told: dict[str, Any], settings: Mapping[tuple[str, str], str], pools: list[dict[str, Any]]) -> Addition:
    name, address = told["virtual_server"], told["address"]
    text = settings.get((name, address)) or json.dumps(_shown(name, address, pools))
    return Addition(name, endpoint(address), text, told["who"], told["why"], moment(told["at"]))


def _shown(name: str, address: str, pools: list[dict[str, Any]]) -> dict[str, Any]:
    """Return as much of a real server's settings as the status shows."""
    for pool in pools:
        for server in pool["real_servers"] if pool["name"] == name else ():
            if server["address"] == address:
                shown = {"address": address, "name": server["name"], "weight": server["weight"]["configured"]}
                same = server["method"] == pool["method"]
                return shown if same or server["tunnel"] is not None else shown | {"method": server["method"]}
    return {"address": address}


def _standing(server: dict[str, Any], pool: VirtualServer | None, now: float) -> Standing:
    said = [check["feedback"] for check in server["checks"] if check.get("feedback") is not None]
    held, ramp = server.get("held_until"), server.get("ramp")
    same = (each for each in pool.real_servers if str(each.address) == server["address"]) if pool is not None else ()
    slow_start = next((each.slow_start for each in same), 0.0)
    return Standing(
        Health(server["health"]),
        failing=any((check.get("last") or {}).get("passed") is False for check in server["checks"]),
        feedback=tuple(Feedback(each["weight"], each["percent"], each["admin"]) for each in said),
        turned_at=moment(server["since"]),
        # In the middle of the step at which it is.
        recovered_at=None if ramp is None else now - (ramp - 0.5 / STEPS) * slow_start,
        held_until=None if held is None else moment(held),
    )


def _level(pool: dict[str, Any], same: VirtualServer | None) -> Level:
    """Return what a decision on a pool rests on, besides its servers' standings."""
    drain_timeout = max((each.drain_timeout for each in same.real_servers), default=0.0) if same is not None else 0.0
    servers = tuple(
        RealServer(each["name"], endpoint(each["address"]), Method("nat"), (), drain_timeout=drain_timeout)
        for each in pool["real_servers"]
    )
    leaving = tuple(Leaving(endpoint(each["address"]), moment(each["until"])) for each in pool.get("leaving", ()))
    server = VirtualServer(pool["name"], Service(_service(pool), pool["scheduler"]), Method("nat"), servers)
    return Level(server, (), quorum_met=pool["quorum"]["met"], leaving=leaving)


def _override(told: dict[str, Any]) -> Override:
    return Override(
        Scope(told["virtual_server"], told["address"], told["port"]),
        told["admin"],
        told["weight"],
        told["remove"],
        None if told["deadline"] is None else moment(told["deadline"]),
        told["who"],
        told["why"],
        moment(told["at"]),
        None if told["expires_at"] is None else moment(told["expires_at"]),
    )


def _service(pool: dict[str, Any]) -> ServiceKey:
    if pool["fwmark"] is not None:
        return ServiceKey.marked(pool["fwmark"], pool["family"])
    return ServiceKey.at(pool["protocol"], endpoint(pool["address"]))
