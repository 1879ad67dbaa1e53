"""The virtual servers with their real servers, as far as they match and as many as a page can hold."""

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from healthlb.api.page.marks import since, state_of, weight, word
from healthlb.api.page.overview import PoolView, Row, State, Work, is_problem, is_warning
from healthlb.api.page.rows import servers_of
from healthlb.api.page.shapes import PoolHead
from healthlb.api.page.view import View
from healthlb.api.page.words import bytes_a_second, counted, scaled, visible
from healthlb.model.counters import Usage
from healthlb.model.snapshot import RealServerStatus, Snapshot, VirtualServerStatus

MOST_ROWS = 200
"""Rows of servers among the virtual servers."""
MOST_POOLS = 200
"""Virtual servers at once."""

_UNUSED = Usage()


def pools(snapshot: Snapshot, state: State, view: View, only: str | None) -> Iterator[str]:
    """Yield the section of the virtual servers, or of one of them."""
    heading = "Virtual servers" if only is None else f"Virtual server {escape(visible(only))}"
    yield f'<section id="virtual-servers" aria-labelledby="pools-heading">\n<h2 id="pools-heading">{heading}</h2>\n'
    if only is not None:
        yield f'<p><a href="{escape(view.link(open=""))}">All virtual servers</a></p>\n'
    words = view.filter.casefold().split()
    shown, left, skipped = 0, MOST_ROWS, 0
    found = False
    for one in snapshot.virtual_servers:
        yield ""
        if only is not None and one.name != only:
            continue
        pool = state.pools[one.name]
        matched = yield from _matching(pool, words, problems=view.problems)
        if matched is None:
            continue
        found = True
        if only is None and skipped < view.start:
            skipped += 1
            continue
        if shown == MOST_POOLS:
            link = escape(view.link(**{"from": view.start + shown}))
            yield f'<p class="more"><a href="{link}">More virtual servers</a></p>\n'
            break
        first = view.start if only is not None else 0
        part = _Part(matched[first : first + left], first, max(0, len(matched) - first - left))
        yield from _pool(one, pool, part, view, snapshot.taken_at)
        left = max(0, left - len(matched))
        shown += 1
    if not found:
        nothing = "Nothing matches." if words or view.problems else "There are no virtual servers."
        yield f'<p class="none">{nothing}</p>\n'
    yield "</section>\n"


def _matching(pool: PoolView, words: list[str], *, problems: bool) -> Work[list[int] | None]:
    """Return the positions of a pool's rows that are to be shown, None where it is not to be shown at all."""
    head = pool.head
    own = " ".join(head[key] for key in ("name", "address", "protocol", "scheduler", "method", "state")).casefold()
    rest = [word for word in words if word not in own]
    matched = []
    for position, row in enumerate(pool.rows):
        if position % 64 == 63:
            yield ""
        if problems and not (is_problem(row) or is_warning(row)):
            continue
        if rest:
            text = f"{row[0]} {row[1]} {row[2]} {row[3]} {row[9]}".casefold()
            if not all(word in text for word in rest):
                continue
        matched.append(position)
    if matched or (not rest and (not problems or head["problem"])):
        return matched
    return None


class _Part(NamedTuple):
    """What is shown of a virtual server: the positions of its rows, which of all that match is the first, the rest."""

    positions: list[int]
    first: int
    rest: int


def _pool(one: VirtualServerStatus, pool: PoolView, part: _Part, view: View, now: float) -> Iterator[str]:
    head = pool.head
    name = escape(visible(one.name))
    yield (
        f'<section class="pool" data-virtual-server="{name}" data-state="{head["state"]}">\n'
        f'<h3><a href="{escape(view.link(open=one.name))}">{name}</a> {word(head["state"])}</h3>\n{_facts(head, now)}'
    )
    if part.positions:
        yield from _servers(one, pool, part.positions, now, view)
    if part.rest:
        link = escape(
            view.link(open=one.name, **({"from": part.first + len(part.positions)} if part.positions else {}))
        )
        yield f'<p class="more"><a href="{link}">{counted(part.rest, "more server")} of {name}</a></p>\n'
    yield "</section>\n"


def _facts(head: PoolHead, now: float) -> str:
    quorum = head["quorum"]
    live, configured = head["live"], head["configured"]
    protocol = "" if head["protocol"] == "fwmark" else f"{head['protocol']} "
    meter = f'<meter aria-label="Live weight" min="0" max="{max(configured, live, 1)}" value="{live}"></meter>'
    facts = [
        f"{head['state']} for {since(head['since'], now)}",
        escape(f"{protocol}{head['address']}"),
        escape(head["scheduler"]),
        escape(head["method"]),
        f"{meter} live weight {live} of {configured}",
        f"quorum {quorum['up']} " + ("met" if quorum["met"] else "<strong>LOST</strong>"),
        *(["<strong>sorry server active</strong>"] if head["sorry"] else []),
        *([f"panic floor {head['panic']:g} %"] if head["panic"] else []),
    ]
    facts += [
        f"{scaled(head['active'])} active and {scaled(head['inactive'])} inactive connections",
        f"{scaled(head['cps'])} new a second",
        f"{bytes_a_second(head['in_bps'])} in, {bytes_a_second(head['out_bps'])} out",
    ]
    return '<p class="facts">' + " · ".join(facts) + "</p>\n"


def _servers(one: VirtualServerStatus, pool: PoolView, positions: list[int], now: float, view: View) -> Iterator[str]:
    caption = f"Real servers of {escape(visible(one.name))}"
    yield (
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0">\n'
        f'<table class="servers">\n<caption>{caption}</caption>\n<thead><tr><th scope="col">Real server</th>'
        '<th scope="col">State</th><th scope="col">For</th><th scope="col">Weight</th><th scope="col">Active</th>'
        '<th scope="col">Inactive</th><th scope="col">New/s</th><th scope="col">Why</th></tr></thead>\n<tbody>\n'
    )
    servers = servers_of(one)
    for position in positions:
        yield _server(one.name, servers[position], pool.rows[position], now, view)
    yield "</tbody>\n</table>\n</div>\n"


def _server(of: str, server: RealServerStatus, row: Row, now: float, view: View) -> str:
    usage = server.usage or _UNUSED
    name, address = escape(visible(row[0])), escape(row[1])
    beside = "" if row[0] == row[1] else f' <span class="address">{address}</span>'
    return (
        f'<tr data-real-server="{name}" data-health="{row[2]}" data-admin="{row[3]}" data-flags="{row[8]}">'
        f'<th scope="row"><a href="{escape(view.link(open=f"{of}/{server.name}"))}">{name}</a>{beside}</th>'
        f"<td>{state_of(row)}</td><td>{since(row[7], now)}</td><td>{weight(row)}</td><td>{scaled(usage.active)}</td>"
        f"<td>{scaled(usage.inactive)}</td><td>{scaled(usage.rates.connections)}</td><td>{escape(row[9])}</td></tr>\n"
    )
