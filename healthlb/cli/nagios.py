"""The status for Nagios and what is like it: one line with performance data, then what is wrong, a line each.

The form is that of the Monitoring Plugins' development guidelines (plugin output, performance data, ranges) and of
Nagios's plugin API: everything after a `|` in the first line is performance data.
"""

from collections import Counter
from typing import Any

from healthlb.cli.status_pair import pair_problems
from healthlb.cli.status_verdict import SEVERITY, by_severity, is_troubled, is_wrong, verdict
from healthlb.cli.status_words import counted, director_problems, last_result
from healthlb.cli.table import printable
from healthlb.cli.times import moment

_WORDS = {"fine": "OK", "degraded": "WARNING", "down": "CRITICAL"}
_NAMED = 5
"""Virtual servers that the first line names of each state, and real servers of one that the lines below tell of."""
_POOLS = 20
"""Virtual servers up to which each has performance data of its own."""
_LONGEST = 6000
"""Characters of text below the first line: Nagios keeps 8 KB of everything."""


def answer(state: str, sentence: str) -> str:
    """Return the line of an answer that has no performance data."""
    return f"HEALTHLB {state.upper()} - {_plain(sentence)}\n"


def report(status: dict[str, Any], *, whole: bool) -> str:
    """Return the whole text; raise KeyError or TypeError when the status is not one."""
    pools = by_severity(status["virtual_servers"])
    troubles = director_problems(status["director"])
    troubles_of_pair = pair_problems(status)
    states = Counter(pool["state"] for pool in pools)
    said = [_state(state, pools) for state in SEVERITY if states[state]] or ["no virtual server"]
    healths = Counter(_health(server) for pool in pools for server in pool["real_servers"])
    said.append(f"{healths['up']} of {counted(healths.total(), 'real server')} up")
    if whole:
        said += [_role(status)] if status.get("vrrp") else []
        said += [counted(len(troubles), "fault") + " of the director"] if troubles else []
        said += [counted(len(troubles_of_pair), "fault") + " of the pair"] if troubles_of_pair else []
    line = f"HEALTHLB {_WORDS[verdict(status, whole=whole)]} - {'; '.join(map(_plain, said))}"
    numbers = _totals(pools, states, healths) + (_of_each(pools) if len(pools) <= _POOLS else [])
    told = [*([*troubles, *troubles_of_pair] if whole else []), *_details(pools, moment(status["taken_at"]))]
    return "\n".join([f"{line} | {' '.join(numbers)}", *_bounded(told)]) + "\n"


def _role(status: dict[str, Any]) -> str:
    states = Counter(each["state"] for each in status["vrrp"])
    return "VRRP " + ", ".join(f"{number} {state}" if len(states) > 1 else state for state, number in states.items())


def _state(state: str, pools: list[dict[str, Any]]) -> str:
    names = [pool["name"] for pool in pools if pool["state"] == state]
    if state == "up":
        return f"{counted(len(names), 'virtual server')} up"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{counted(len(names), 'virtual server')} {state.upper()} ({', '.join(names[:_NAMED])}{more})"


def _health(server: dict[str, Any]) -> str:
    return str(server["health"]) if server["admin"] == "enabled" else "out"


def _totals(pools: list[dict[str, Any]], states: Counter[str], healths: Counter[str]) -> list[str]:
    """Return the performance data of all together; the ranges are those that make the exit status."""
    most, servers = len(pools), healths.total()
    made = [_datum("virtual_servers_up", states["up"], least="0", most=most)]
    made.append(_datum("virtual_servers_degraded", states["degraded"], warn="0", least="0", most=most))
    made += [
        _datum(f"virtual_servers_{state}", states[state], critical="0", least="0", most=most)
        for state in ("panic", "down")
    ]
    made += [
        _datum(f"real_servers_{health}", healths[health], least="0", most=servers)
        for health in ("up", "down", "unknown", "out")
    ]
    for label, kind, name, unit in (
        ("active_connections", "connections", "active", ""),
        ("inactive_connections", "connections", "inactive", ""),
        ("connections", "stats", "connections", "c"),
        ("in_bytes", "stats", "in_bytes", "c"),
        ("out_bytes", "stats", "out_bytes", "c"),
    ):
        made.append(_datum(label, sum(pool[kind][name] for pool in pools), unit, least="0"))
    return made


def _of_each(pools: list[dict[str, Any]]) -> list[str]:
    made = []
    for pool in sorted(pools, key=lambda pool: str(pool["name"])):
        quorum, name = pool["quorum"], pool["name"]
        live = quorum["live_weight"]
        made.append(_datum(f"{name} live_weight", live, warn=f"{quorum['up']}:", critical="1:", least="0"))
        made.append(_datum(f"{name} active_connections", pool["connections"]["active"], least="0"))
        rate = pool["rates"]["connections_per_second"]
        made.append(_datum(f"{name} connections_per_second", rate, least="0"))
    return made


def _datum(
    label: str,
    value: int,
    unit: str = "",
    *,
    warn: str = "",
    critical: str = "",
    least: str = "",
    most: int | None = None,
) -> str:
    """Return `'label'=value[unit];[warn];[critical];[least];[most]`; a label has no `=`, and its quotes are doubled."""
    name = _plain(label).replace("=", "_").replace("'", "''")
    return f"'{name}'={value}{unit};{warn};{critical};{least};{'' if most is None else most}"


def _details(pools: list[dict[str, Any]], now: float) -> list[str]:
    told = []
    for pool in filter(is_troubled, pools):
        told.append(f"{pool['state'].upper() if pool['state'] != 'up' else 'up'} {last_result(pool, now)}")
        wrong = [server for server in (*pool["real_servers"], *pool.get("sorry_servers", ())) if is_wrong(server)]
        told += [f"  {server['address']} {server['health']}: {last_result(server, now)}" for server in wrong[:_NAMED]]
        told += [f"  and {len(wrong) - _NAMED} more servers"] if len(wrong) > _NAMED else []
    return told


def _bounded(told: list[str]) -> list[str]:
    made: list[str] = []
    size = 0
    for line in map(_plain, told):
        size += len(line) + 1
        if size > _LONGEST:
            return [*made, f"and {len(told) - len(made)} more lines; `healthlb status --problems` has them"]
        made.append(line)
    return made


def _plain(text: str) -> str:
    """Return text in one line without a pipe, which begins performance data wherever it stands."""
    return printable(" ".join(text.split("\n"))).replace("|", "/")
