"""What a running director knows and was ordered, as its HTTP tells: what a plan for it starts from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from healthlb.cli import client
from healthlb.cli.times import moment
from healthlb.core.desired import Standing
from healthlb.core.overrides import applied
from healthlb.core.rehearsal import Known
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Health
from healthlb.model.overrides import Addition, Orders, Override, Removal, Scope
from healthlb.model.table import ServiceKey


@dataclass(frozen=True, slots=True)
class Running:
    """What is known of its real servers, the services that it keeps, and the orders that it has.

    `guessed` are the additions whose settings it would not tell: they are made of what the status shows.
    """

    known: Known = field(default_factory=dict)
    services: frozenset[ServiceKey] = frozenset()
    orders: Orders = field(default_factory=Orders)
    guessed: tuple[Addition, ...] = ()


def running(way: client.Way, admin: client.Way | None) -> Running:
    """Return what a director tells; only the one at `admin` tells with which settings servers were added.

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
        known = {
            (pool["name"], endpoint(server["address"])): _standing(pool["name"], server, overrides)
            for pool in pools
            for server in pool["real_servers"]
        }
        services = frozenset(_service(pool) for pool in pools)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise client.UnreachableError(
            f"what answers at {way.url} is no healthlb director that this version understands."
        ) from error
    return Running(known, services, Orders(overrides, additions, removals), guessed)


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


def _standing(pool: str, server: dict[str, Any], overrides: tuple[Override, ...]) -> Standing:
    said = [check["feedback"] for check in server["checks"] if check.get("feedback") is not None]
    since, held = moment(server["since"]), server.get("held_until")
    return Standing(
        Health(server["health"]),
        feedback=tuple(Feedback(each["weight"], each["percent"], each["admin"]) for each in said),
        turned_at=since,
        recovered_at=since if server.get("ramp") is not None else None,
        held_until=None if held is None else moment(held),
        applied=applied(overrides, pool, endpoint(server["address"])),
    )


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
