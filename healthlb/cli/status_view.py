"""The status as an operator reads it: trouble first, then a table that looks like ipvsadm's."""

from collections import Counter
from datetime import datetime
from typing import Any

from healthlb.cli.table import Cell, Colour, Column, lines, natural_width, paint, printable, scaled

_SEVERITY = ("down", "panic", "degraded", "up")
_COLOURS: dict[str, Colour] = {
    "up": "green",
    "down": "red",
    "panic": "red",
    "degraded": "yellow",
    "unknown": "yellow",
}
_PROSE = 30
"""Columns that the last column wants before all the columns go into one table."""

_ROW = Column("Prot Address:Port Sched")
_STATE = (
    Column("Fwd"),
    Column("Weight", right=True),
    Column("Active", right=True),
    Column("InAct", right=True),
    Column("Health"),
    Column("For", right=True),
)
_STATS = {
    "Conns": "connections",
    "InPkts": "in_packets",
    "OutPkts": "out_packets",
    "InBytes": "in_bytes",
    "OutBytes": "out_bytes",
}
_RATES = {
    "CPS": "connections_per_second",
    "InPPS": "in_packets_per_second",
    "OutPPS": "out_packets_per_second",
    "InBPS": "in_bytes_per_second",
    "OutBPS": "out_bytes_per_second",
}
_LAST = Column("Last result")


def view(status: dict[str, Any], *, width: int, colour: bool) -> str:
    """Return the whole text; raise KeyError or TypeError when the status is not one."""
    now = _moment(status["taken_at"])
    pools = sorted(status["virtual_servers"], key=lambda pool: _SEVERITY.index(pool["state"]))
    made = [*_head(status, now, colour), ""]
    subjects = [_subject(item) for pool in pools for item in (pool, *pool["real_servers"])]
    state = [_state(item, now) for pool in pools for item in (pool, *pool["real_servers"])]
    last = [_last(item) for pool in pools for item in (pool, *pool["real_servers"])]
    stats = [_numbers(item["stats"], _STATS) for pool in pools for item in (pool, *pool["real_servers"])]
    rates = [_numbers(item["rates"], _RATES) for pool in pools for item in (pool, *pool["real_servers"])]
    stats_columns = tuple(Column(heading, right=True) for heading in _STATS)
    rates_columns = tuple(Column(heading, right=True) for heading in _RATES)

    whole = (_ROW, *_STATE, *stats_columns, *rates_columns)
    whole_rows = [[a, *b, *c, *d] for a, b, c, d in zip(subjects, state, stats, rates, strict=True)]
    if natural_width(whole, whole_rows) + _PROSE <= width:
        made += lines((*whole, _LAST), _joined(whole_rows, last), colour=colour, width=width)
        return "\n".join(made) + "\n"
    core = [[a, *b] for a, b in zip(subjects, state, strict=True)]
    made += [*lines((_ROW, *_STATE, _LAST), _joined(core, last), colour=colour, width=width), ""]
    both = (_ROW, *stats_columns, *rates_columns)
    both_rows = [[a, *b, *c] for a, b, c in zip(subjects, stats, rates, strict=True)]
    if natural_width(both, both_rows) <= width:
        made += lines(both, both_rows, colour=colour, width=width)
    else:
        for columns, numbers in ((stats_columns, stats), (rates_columns, rates)):
            rows = [[a, *b] for a, b in zip(subjects, numbers, strict=True)]
            made += [*lines((_ROW, *columns), rows, colour=colour, width=width), ""]
        made.pop()
    return "\n".join(made) + "\n"


def _joined(rows: list[list[Cell]], last: list[Cell]) -> list[list[Cell]]:
    return [[*row, cell] for row, cell in zip(rows, last, strict=True)]


def _head(status: dict[str, Any], now: float, colour: bool) -> list[str]:
    director = status["director"]
    table, config = director["table"], director["config"]
    in_sync = paint("in sync", "green", colour) if table["in_sync"] else paint("NOT IN SYNC", "red", colour)
    who = f"{director['name']}: healthlb {director['version']}, up {_age(now - _moment(director['started_at']))}"
    made = [
        f"{printable(who)}, {printable(table['backend'])} table {in_sync}",
        f"{printable(config['path'])}, loaded {_age(now - _moment(config['loaded_at']))} ago",
    ]
    troubles = [f"operation fails: {one}" for one in table["failing"]]
    if config["refused"] is not None:
        troubles.append(f"the newest configuration was refused: {config['refused']}")
    made += [paint(f"PROBLEM {printable(one)}", "red", colour) for one in troubles]
    made += [paint(f"warning {printable(one)}", "yellow", colour) for one in director["warnings"]]
    pools = status["virtual_servers"]
    servers = Counter(server["health"] for pool in pools for server in pool["real_servers"])
    states = Counter(pool["state"] for pool in pools)
    made.append(
        f"{_count(len(pools), 'virtual server')}: {_tally(states, _SEVERITY, colour)}; "
        f"{_count(servers.total(), 'real server')}: {_tally(servers, ('down', 'unknown', 'up'), colour)}"
    )
    return made


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _tally(counts: Counter[str], order: tuple[str, ...], colour: bool) -> str:
    shown = [paint(f"{counts[word]} {_word(word)}", _COLOURS.get(word, ""), colour) for word in order if counts[word]]
    return ", ".join(shown) or "none"


def _word(state: str) -> str:
    """Trouble is in capitals, so that it is seen without colour."""
    return state if state == "up" else state.upper()


def _subject(item: dict[str, Any]) -> Cell:
    if "real_servers" not in item:
        return Cell(f"  -> {printable(item['address'])}")
    protocol = "" if item["protocol"] == "fwmark" else item["protocol"].upper() + " "
    return Cell(printable(f"{protocol}{item['address']} {item['scheduler']}"), "bold")


def _state(item: dict[str, Any], now: float) -> list[Cell]:
    connections = item["connections"]
    numbers = [Cell(scaled(connections["active"])), Cell(scaled(connections["inactive"]))]
    if "real_servers" in item:
        state = item["state"]
        live = Cell(str(item["quorum"]["live_weight"]))
        return [Cell(""), live, *numbers, Cell(_word(state), _COLOURS[state]), Cell("")]
    health = item["health"]
    return [
        Cell(item["method"]),
        Cell(_weight(item["weight"])),
        *numbers,
        Cell(_word(health), _COLOURS[health]),
        Cell(_age(now - _moment(item["since"]))),
    ]


def _weight(weight: dict[str, Any]) -> str:
    """`1`, or what the kernel has of what is configured: `0/1`, `-/1` where there is no row."""
    kernel, configured = weight["kernel"], weight["configured"]
    return str(configured) if kernel == configured else f"{'-' if kernel is None else kernel}/{configured}"


def _last(item: dict[str, Any]) -> Cell:
    return Cell(printable(_of_pool(item) if "real_servers" in item else _of_server(item)))


def _of_pool(pool: dict[str, Any]) -> str:
    quorum = pool["quorum"]
    words = [f"{pool['name']}: quorum {quorum['up']} {'met' if quorum['met'] else 'LOST'}"]
    words += ["sorry server active"] if pool["sorry_server_active"] else []
    words += pool["scheduler_flags"]
    words += [f"persistent {pool['persistence']['timeout']}"] if pool["persistence"] is not None else []
    words += ["ops"] if pool["one_packet"] else []
    return ", ".join(words)


def _of_server(server: dict[str, Any]) -> str:
    words = [] if server["name"] == server["address"] else [server["name"]]
    if server["admin"] != "enabled":
        words.append(server["admin"])
    weight = server["weight"]
    if any(check.get("feedback") for check in server["checks"]):
        words.append(f"weight {' -> '.join(weight['chain'])}")
    if weight["effective"] != weight["kernel"]:
        words.append("its row is to go" if weight["effective"] is None else f"its row is to have {weight['effective']}")
    checks = server["checks"]
    if checks:
        words.append(_result(min(checks, key=_urgency)) + (f" (+{len(checks) - 1})" if len(checks) > 1 else ""))
    else:
        words.append("no check")
    return ": ".join(words)


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


def _numbers(values: dict[str, int], names: dict[str, str]) -> list[Cell]:
    return [Cell(scaled(values[name])) for name in names.values()]


def _age(seconds: float) -> str:
    """Return a span in one unit: `12s`, `3m`, `5h`, `9d`."""
    whole = max(int(seconds), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= 2 * size or (unit == "m" and whole >= size):
            return f"{whole // size}{unit}"
    return f"{whole}s"


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
