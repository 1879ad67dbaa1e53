"""The status as an operator reads it: trouble first, then a table that looks like ipvsadm's."""

from collections import Counter
from typing import Any

from healthlb.cli.status_pair import pair_problems, pair_view, pair_warnings
from healthlb.cli.status_verdict import SEVERITY, by_severity, is_ordinary, is_troubled, is_wrong, verdict
from healthlb.cli.status_words import counted, last_result, operators, problems, warnings
from healthlb.cli.table import Cell, Colour, Column, lines, natural_width, paint, printable, scaled, wrapped
from healthlb.cli.times import moment, shown

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
_NOTHING = dict.fromkeys((*_STATS.values(), *_RATES.values()), 0)
"""What a row that is to go shows: nobody counts its traffic any more."""


_MANY = 100
"""Rows from which on the healthy are told together on a terminal."""
_FEW = 3
"""Healthy servers of one pool that are shown all the same."""

_Item = dict[str, Any]


def view(
    status: dict[str, Any],
    *,
    width: int,
    colour: bool,
    only_wrong: bool = False,
    brief: bool = False,
    whole: bool = True,
) -> str:
    """Return the whole text; raise KeyError or TypeError when the status is not one.

    `only_wrong`: no server that is well. `brief`: where there are many, the healthy are told together. `whole`: the
    status has all virtual servers, not some that were chosen.
    """
    now = moment(status["taken_at"])
    pools = by_severity(status["virtual_servers"])
    made = _head(status, now, colour, width, whole)
    if only_wrong:
        pools = [pool for pool in pools if is_troubled(pool)]
        if not pools:
            nothing = verdict(status, whole=whole) == "fine"
            return "\n".join([*made, "nothing is wrong"] if nothing else made) + "\n"
    items, left = _rows_of(pools, only_wrong, brief)
    made += ["", *_tables(items, now, colour, width, traffic=not only_wrong)]
    if left:
        servers = sum(len(pool["real_servers"]) for pool in left)
        made += [
            "",
            f"{counted(len(left), 'more virtual server')}, all up with all of {counted(servers, 'real server')}",
        ]
        made[-1] += "; --all shows each"
    return "\n".join(made) + "\n"


def _tables(items: list[_Item], now: float, colour: bool, width: int, *, traffic: bool) -> list[str]:
    """Return one table where that fits, else several; the traffic has one of its own only where it is wanted."""
    subjects = [_subject(item) for item in items]
    state = [_state(item, now) for item in items]
    last = [Cell(printable(last_result(item, now))) for item in items]
    stats = [_numbers(item.get("stats", _NOTHING), _STATS) for item in items]
    rates = [_numbers(item.get("rates", _NOTHING), _RATES) for item in items]
    stats_columns = tuple(Column(heading, right=True) for heading in _STATS)
    rates_columns = tuple(Column(heading, right=True) for heading in _RATES)

    whole = (_ROW, *_STATE, *stats_columns, *rates_columns)
    whole_rows = [[a, *b, *c, *d] for a, b, c, d in zip(subjects, state, stats, rates, strict=True)]
    if natural_width(whole, whole_rows) + _PROSE <= width:
        return lines((*whole, _LAST), _joined(whole_rows, last), colour=colour, width=width)
    core = [[a, *b] for a, b in zip(subjects, state, strict=True)]
    made = lines((_ROW, *_STATE, _LAST), _joined(core, last), colour=colour, width=width)
    if not traffic:
        return made
    made.append("")
    both = (_ROW, *stats_columns, *rates_columns)
    both_rows = [[a, *b, *c] for a, b, c in zip(subjects, stats, rates, strict=True)]
    if natural_width(both, both_rows) <= width:
        return made + lines(both, both_rows, colour=colour, width=width)
    for columns, numbers in ((stats_columns, stats), (rates_columns, rates)):
        rows = [[a, *b] for a, b in zip(subjects, numbers, strict=True)]
        made += [*lines((_ROW, *columns), rows, colour=colour, width=width), ""]
    return made[:-1]


def _rows_of(pools: list[_Item], only_wrong: bool, brief: bool) -> tuple[list[_Item], list[_Item]]:
    """Return what has a row of its own, and the virtual servers that are told together."""
    everything = [(pool, _servers(pool, only_wrong)) for pool in pools]
    if not brief or sum(1 + len(servers) for _, servers in everything) <= _MANY:
        return [item for pool, servers in everything for item in (pool, *servers)], []
    left = [pool for pool, servers in everything if pool["state"] == "up" and all(map(_goes_without_saying, servers))]
    if len(left) <= _MANY:
        left = []
    together = {id(pool) for pool in left}
    shown = [(pool, _folded(servers)) for pool, servers in everything if id(pool) not in together]
    return [item for pool, servers in shown for item in (pool, *servers)], left


def _servers(pool: _Item, only_wrong: bool) -> list[_Item]:
    """Return a pool's servers, those in trouble first, its sorry servers, and the rows that are to go."""
    sorry = [server | {"sorry": True} for server in pool.get("sorry_servers", ())]
    servers = [*pool["real_servers"], *sorry]
    wrong = [server for server in servers if is_wrong(server)]
    if only_wrong:
        return wrong
    return [*wrong, *(server for server in servers if not is_wrong(server)), *pool.get("leaving", ())]


def _goes_without_saying(item: _Item) -> bool:
    return "until" not in item and is_ordinary(item)


def _folded(servers: list[_Item]) -> list[_Item]:
    """Return rows in which the many that are healthy have one together."""
    healthy = [server for server in servers if _goes_without_saying(server)]
    if len(healthy) <= _FEW:
        return servers
    together: _Item = {"folded": len(healthy), "weight": sum(server["weight"]["kernel"] or 0 for server in healthy)}
    for key in ("connections", "stats", "rates"):
        together[key] = {name: sum(server[key][name] for server in healthy) for name in healthy[0][key]}
    return [*(server for server in servers if not _goes_without_saying(server)), together]


def _joined(rows: list[list[Cell]], last: list[Cell]) -> list[list[Cell]]:
    return [[*row, cell] for row, cell in zip(rows, last, strict=True)]


def _head(status: dict[str, Any], now: float, colour: bool, width: int, whole: bool) -> list[str]:
    director = status["director"]
    table, config = director["table"], director["config"]
    in_sync = paint("in sync", "green", colour) if table["in_sync"] else paint("NOT IN SYNC", "red", colour)
    who = f"{director['name']}: healthlb {director['version']}, up {shown(now - moment(director['started_at']))}"
    made = [
        f"{printable(who)}, {printable(table['backend'])} table {in_sync}",
        f"{printable(config['path'])}, loaded {shown(now - moment(config['loaded_at']))} ago",
    ]
    pools = status["virtual_servers"]
    for one in [*(pair_problems(status) if whole else []), *problems(director, pools)]:
        made += [paint(line, "red", colour) for line in wrapped(f"PROBLEM {printable(one)}", width)]
    for one in [*(pair_warnings(status) if whole else []), *warnings(director)]:
        made += [paint(line, "yellow", colour) for line in wrapped(f"warning {printable(one)}", width)]
    servers = Counter(server["health"] for pool in pools for server in pool["real_servers"])
    states = Counter(pool["state"] for pool in pools)
    made.append(
        f"{counted(len(pools), 'virtual server')}: {_tally(states, SEVERITY, colour)}; "
        f"{counted(servers.total(), 'real server')}: {_tally(servers, ('down', 'unknown', 'up'), colour)}"
    )
    if not whole:
        return made
    return [*made, *operators(director, pools), *pair_view(status, now, colour=colour, width=width)]


def _tally(counts: Counter[str], order: tuple[str, ...], colour: bool) -> str:
    shown = [paint(f"{counts[word]} {_word(word)}", _COLOURS.get(word, ""), colour) for word in order if counts[word]]
    return ", ".join(shown) or "none"


def _word(state: str) -> str:
    """Trouble is in capitals, so that it is seen without colour."""
    return state if state == "up" else state.upper()


def _subject(item: dict[str, Any]) -> Cell:
    if "folded" in item:
        return Cell(f"  -> {item['folded']} more, healthy")
    if "real_servers" not in item:
        return Cell(f"  -> {printable(item['address'])}{' (sorry)' if 'sorry' in item else ''}")
    protocol = "" if item["protocol"] == "fwmark" else item["protocol"].upper() + " "
    return Cell(printable(f"{protocol}{item['address']} {item['scheduler']}"), "bold")


def _state(item: dict[str, Any], now: float) -> list[Cell]:
    connections = item["connections"]
    numbers = [Cell(scaled(connections["active"])), Cell(scaled(connections["inactive"]))]
    if "real_servers" in item:
        state = item["state"]
        live = Cell(str(item["quorum"]["live_weight"]))
        return [Cell(""), live, *numbers, Cell(_word(state), _COLOURS[state]), _since(item, now)]
    if "folded" in item:
        return [Cell(""), Cell(str(item["weight"])), *numbers, Cell("up", "green"), Cell("")]
    if "until" in item:
        return [Cell(""), Cell("0"), *numbers, Cell("leaving", "yellow"), Cell("")]
    health = item["health"]
    return [
        Cell(item["method"]),
        Cell(_weight(item["weight"])),
        *numbers,
        Cell(_word(health), _COLOURS[health]),
        _since(item, now),
    ]


def _since(item: dict[str, Any], now: float) -> Cell:
    """Return for how long it is so; a director of an earlier version does not say it of a virtual server."""
    return Cell(shown(now - moment(item["since"])) if item.get("since") else "")


def _weight(weight: dict[str, Any]) -> str:
    """`1`, or what the kernel has of what is configured: `0/1`, `-/1` where there is no row."""
    kernel, configured = weight["kernel"], weight["configured"]
    return str(configured) if kernel == configured else f"{'-' if kernel is None else kernel}/{configured}"


def _numbers(values: dict[str, int], names: dict[str, str]) -> list[Cell]:
    return [Cell(scaled(values[name])) for name in names.values()]
