"""What somebody has to look after, first of all: the director's own problems, then servers, then what warns."""

from collections.abc import Iterator
from html import escape

from healthlb.api.page.marks import since, state_of, word
from healthlb.api.page.overview import PoolView, Row, State
from healthlb.api.page.view import View
from healthlb.api.page.words import visible

MOST_PROBLEMS = 100
"""Rows among the problems, and as many among the warnings."""

_SEVERITY = {"down": 0, "panic": 1, "degraded": 2, "up": 3}


def problems(state: State, view: View) -> Iterator[str]:
    """Yield the section of problems, which says so where there are none."""
    yield '<section id="problems" aria-labelledby="problems-heading">\n<h2 id="problems-heading">Problems</h2>\n'
    told = state.director["problems"]
    if told:
        items = "".join(f'<li class="bad">{escape(each)}</li>' for each in told)
        yield f'<ul class="director-problems">{items}</ul>\n'
    troubled = []
    for pool in state.pools.values():
        rows = [pool.rows[position] for position in pool.problems]
        if rows or pool.head["problem"]:
            troubled.append((pool, rows))
        yield ""
    troubled.sort(key=lambda each: _SEVERITY[each[0].head["state"]])
    if not troubled and not told:
        yield '<p class="none">No problem: every server that is meant to take traffic does.</p>\n'
    if troubled:
        yield from _trouble_table(troubled, "problems", "What somebody has to look after", state.taken_at, view)
    yield "</section>\n"


def warnings(state: State, view: View) -> Iterator[str]:
    """Yield the section of warnings, if there are any."""
    told = state.director["warnings"]
    warned = []
    for pool in state.pools.values():
        rows = [pool.rows[position] for position in pool.warnings]
        if rows:
            warned.append((pool, rows))
        yield ""
    if not told and not warned:
        return
    yield '<section id="warnings" aria-labelledby="warnings-heading">\n<h2 id="warnings-heading">Warnings</h2>\n'
    if told:
        yield "<ul>" + "".join(f'<li class="warning">{escape(each)}</li>' for each in told) + "</ul>\n"
    if warned:
        yield from _trouble_table(warned, "warnings", "Checks that warn or have just failed", state.taken_at, view)
    yield "</section>\n"


def _trouble_table(
    troubled: list[tuple[PoolView, list[Row]]], name: str, caption: str, now: float, view: View
) -> Iterator[str]:
    yield (
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0">\n'
        f'<table class="{name}">\n<caption>{caption}</caption>\n<thead><tr><th scope="col">Server</th>'
        '<th scope="col">State</th><th scope="col">For</th><th scope="col">Why</th></tr></thead>\n<tbody>\n'
    )
    left = MOST_PROBLEMS
    unseen = 0
    for pool, rows in troubled:
        if left <= 0:
            unseen += 1 + len(rows)
            continue
        yield _trouble_pool(pool, now, view)
        left -= 1
        for row in rows[:left]:
            yield _trouble_row(pool, row, now, view)
        unseen += max(0, len(rows) - left)
        left -= len(rows)
    yield "</tbody>\n</table>\n</div>\n"
    if unseen:
        link = escape(view.link(problems="1", open=""))
        yield f'<p class="more">{unseen} more are not shown: <a href="{link}">show problems only</a>, or filter.</p>\n'


def _trouble_pool(pool: PoolView, now: float, view: View) -> str:
    head = pool.head
    link, name = escape(view.link(open=head["name"])), escape(visible(head["name"]))
    quorum = head["quorum"]
    why = f"live weight {head['live']} of {head['configured']}, "
    why += f"quorum {quorum['up']} {'met' if quorum['met'] else 'LOST'}"
    why += ", sorry server active" if head["sorry"] else ""
    return (
        f'<tr class="pool" data-virtual-server="{name}"><th scope="row"><a href="{link}">{name}</a></th>'
        f"<td>{word(head['state'])}</td><td>{since(head['since'], now)}</td><td>{why}</td></tr>\n"
    )


def _trouble_row(pool: PoolView, row: Row, now: float, view: View) -> str:
    of, name = pool.head["name"], escape(visible(row[0]))
    return (
        f'<tr data-virtual-server="{escape(visible(of))}" data-real-server="{name}">'
        f'<th scope="row" class="member"><a href="{escape(view.link(open=f"{of}/{row[0]}"))}">{name}</a></th>'
        f"<td>{state_of(row)}</td><td>{since(row[7], now)}</td><td>{escape(row[9])}</td></tr>\n"
    )
