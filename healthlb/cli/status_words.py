"""What the status says in words: what is wrong with the director, and why each virtual and real server is as it is."""

from typing import Any

from healthlb.cli.times import local, moment, shown


def problems(director: dict[str, Any], pools: list[dict[str, Any]]) -> list[str]:
    """Return what somebody has to look after now."""
    return director_problems(director) + [_in_panic(pool) for pool in pools if pool["state"] == "panic"]


def director_problems(director: dict[str, Any]) -> list[str]:
    """Return what somebody has to look after in the director itself."""
    told = [f"operation fails: {one}" for one in director["table"]["failing"]]
    refused = director["config"]["refused"]
    told += [] if refused is None else [f"the newest configuration was refused: {refused}"]
    for key, what in (("state", "a restart would forget what was changed"), ("journal", "events are not kept")):
        kept = director.get(key) or {}
        place = f"{kept['path']}: " if kept.get("path") else ""
        told += [f"{what}: {place}{kept['failing']}"] if kept.get("failing") else []
    for notifier in director.get("notifiers", ()):
        if notifier["failing"]:
            waiting = counted(notifier["waiting"], "message")
            told.append(f"notifier {notifier['name']} cannot deliver, {waiting} waiting: {notifier['failing']}")
    return told


def warnings(director: dict[str, Any]) -> list[str]:
    """Return what the director warns of, and what was lost."""
    told = list(director["warnings"])
    dropped = (director.get("journal") or {}).get("dropped_total", 0)
    told += [f"{counted(dropped, 'event')} could not be kept"] if dropped else []
    for notifier in director.get("notifiers", ()):
        lost = notifier["dropped_total"] + notifier["failed_total"]
        told += [f"notifier {notifier['name']}: {counted(lost, 'message')} lost"] if lost else []
    return told


def operators(director: dict[str, Any], pools: list[dict[str, Any]]) -> list[str]:
    """Return a line on what operators changed at run time, if anything."""
    counts = (
        (len(director.get("overrides", ())), "override"),
        (len(director.get("added", ())), "added server"),
        (sum(len(pool.get("removed", ())) for pool in pools), "removed server"),
    )
    changed = ", ".join(counted(number, noun) for number, noun in counts if number)
    return [f"changed at run time: {changed}; see `healthlb overrides`"] if changed else []


def counted(number: int, noun: str) -> str:
    """Return `1 server`, `2 servers`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _in_panic(pool: dict[str, Any]) -> str:
    kept = [server["name"] for server in pool["real_servers"] if server.get("pooled_but_down")]
    which = f": {', '.join(kept[:10])}" + (f" and {len(kept) - 10} more" if len(kept) > 10 else "") if kept else ""
    return f"{pool['name']} is in PANIC, too many servers fail and some of them stay pooled{which}"


def last_result(item: dict[str, Any], now: float) -> str:
    """Return what is to be said of a virtual server, a real server, a row that is to go, or the healthy together."""
    if "folded" in item:
        return "--all shows each"
    if "real_servers" in item:
        return _of_pool(item)
    return f"out by {local(item['until'])} at the latest" if "until" in item else _of_server(item, now)


def _of_pool(pool: dict[str, Any]) -> str:
    quorum = pool["quorum"]
    words = [f"{pool['name']}: quorum {quorum['up']} {'met' if quorum['met'] else 'LOST'}"]
    words += ["sorry server active"] if pool["sorry_server_active"] else []
    words += pool["scheduler_flags"]
    words += [f"persistent {pool['persistence']['timeout']}"] if pool["persistence"] is not None else []
    words += ["ops"] if pool["one_packet"] else []
    words += [f"panic floor {pool['panic']:g} %"] if pool.get("panic") else []
    words += [f"{removed['address']} removed by {_by(removed)}" for removed in pool.get("removed", ())]
    return ", ".join(words)


def _by(order: dict[str, Any]) -> str:
    return (order["who"] or "somebody") + (f" ({order['why']})" if order["why"] else "")


def _of_server(server: dict[str, Any], now: float) -> str:
    words = [] if server["name"] == server["address"] else [server["name"]]
    if server.get("origin") == "runtime":
        words.append("added at run time")
    if server["admin"] != "enabled":
        words.append(server["admin"])
    words += [_override(override) for override in server.get("overrides", ())]
    words += ["POOLED BUT DOWN"] if server.get("pooled_but_down") else []
    if server.get("held_until") is not None:
        words.append(f"held down for flapping, {shown(moment(server['held_until']) - now)} left")
    if server.get("ramp") is not None:
        words.append(f"slow start at {server['ramp'] * 100:.0f} %")
    weight = server["weight"]
    special = ("overrides", "pooled_but_down", "held_until", "ramp")
    if any(server.get(key) for key in special) or any(check.get("feedback") for check in server["checks"]):
        words.append(f"weight {' -> '.join(weight['chain'])}")
    if weight["effective"] != weight["kernel"]:
        words.append("its row is to go" if weight["effective"] is None else f"its row is to have {weight['effective']}")
    checks = server["checks"]
    if checks:
        words.append(_result(min(checks, key=_urgency)) + (f" (+{len(checks) - 1})" if len(checks) > 1 else ""))
    else:
        words.append("no check")
    return ": ".join(words)


def _override(override: dict[str, Any]) -> str:
    """`drain everywhere by uid 0 (root) pid 812 (new disks), until 2026-11-22 14:00:00`."""
    everywhere = " everywhere" if override["virtual_server"] is None else ""
    until = "" if override["expires_at"] is None else f", until {local(override['expires_at'])}"
    return f"{override['what']}{everywhere} by {_by(override)}{until}"


def _urgency(check: dict[str, Any]) -> int:
    """Rank a check for showing: one that is down, fails, cannot be probed, has no verdict, warns; else the first."""
    if check["health"] == "down":
        return 0
    if check["last"] is not None and not check["last"]["passed"]:
        return 1
    if check.get("unsent_reason"):
        return 2
    if check["health"] == "unknown":
        return 3
    return 4 if check.get("warning") else 5


def _result(check: dict[str, Any]) -> str:
    last = check["last"]
    if check.get("unsent_reason"):
        return f"{check['name']} CANNOT BE PROBED: {check['unsent_reason']}"
    if last is None:
        return f"{check['name']} not probed yet"
    if last["passed"]:
        said = check.get("warning") in (None, last["reason"])
        warning = ", warning" if check.get("warning") else ""
        warning += "" if said else f": {check['warning']}"
        return f"{check['name']} {last['reason']} {_latency(last['seconds'])}{warning}"
    return f"{check['name']} {last['reason']}, {check['streak']} in a row"


def _latency(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds >= 1 else f"{seconds * 1000:.3g}ms"
