"""The page as HTML: the first view, which needs no script, and which the script takes over.

What the script builds on (`docs/http.md` has its JSON):

    <html data-level="ok|warning|bad" data-generation="…">      the headline's level
    <link id="icon">                 href is assets/icon-LEVEL.svg
    <h1 id="headline">               the same words as <title>: headline.title of the overview
    <ul id="counts">                 <li data-count="virtual_servers.down">… <b>0</b></li>, class "none" where 0
    <ul id="director">               <li data-fact="role|in_sync|probes|overrides">
    <p id="connection" role="status" hidden>     for the script: "connection lost", and since when
    <form id="filter-form" role="search">        inputs: filter (id="filter"), problems (id="problems-only")
    <main id="main">
      <section id="server">          only with ?open=VS/RS: data-virtual-server, data-real-server
      <section id="problems">        ul.director-problems, then table.problems
      <section id="warnings">        absent where there are none
      <section id="vrrp">            absent without VRRP: table.vrrp of tr[data-instance][data-state]
      <section id="virtual-servers"> of section.pool[data-virtual-server][data-state], each with h3, p.facts, a <meter>
                                     and table.servers of tr[data-real-server][data-health][data-admin][data-flags]
    <footer id="foot">
    <time class="age" datetime="RFC 3339">4 min</time>     an age as of taken_at: <html data-taken-at="RFC 3339">

Classes that carry a colour always have the word beside them: up, down, unknown, enabled, draining, drained, disabled,
degraded, panic; ok, warning, bad for levels.

The filter: each of its words, in any case, has to be in the text of a row. The text of a virtual server is its name,
address, protocol, scheduler, method and state; that of a real server is its pool's text, its name, address, health,
admin state and reason. A virtual server is shown with the servers that match; one that matches itself with all of them.
`problems=1` leaves the rows of `is_problem` and `is_warning` (overview.py), and the virtual servers with a `problem`
or have such rows.
"""

from collections.abc import Iterator
from html import escape

from healthlb.api.orders import timestamp
from healthlb.api.page.overview import HEALTHS, STATES, State, look
from healthlb.api.page.pair import pair_section
from healthlb.api.page.pools import pools
from healthlb.api.page.server_view import server_section
from healthlb.api.page.trouble import problems, warnings
from healthlb.api.page.view import View
from healthlb.api.page.words import counted, visible
from healthlb.model.occurrence import Occurrence
from healthlb.model.snapshot import Snapshot

_MODULES = "".join(
    f'<link rel="modulepreload" href="assets/{name}.js">\n'
    for name in ("draw", "drawer", "headline", "live", "model", "table")
)
"""What page.js imports: a browser that knows of it at once need not find it out one after the other."""


def page(snapshot: Snapshot, view: View, events: list[Occurrence] | str = "") -> Iterator[str]:
    """Yield the page; an empty piece is only a chance for the loop to turn."""
    state = yield from look(snapshot, None, sums=True)
    opened = view.opened(snapshot)
    yield _head(state)
    yield _header(state)
    yield _form(view)
    yield '<main id="main">\n'
    if opened is not None and opened[1] is not None:
        yield from server_section(opened[0], opened[1], events, snapshot.taken_at, view.link(open=""))
    elif view.open and opened is None:
        yield f'<p class="none">There is no server {escape(visible(view.open))} any more.</p>\n'
    yield from problems(state, view)
    yield from warnings(state, view)
    yield from pair_section(state)
    only = opened[0].name if opened is not None and opened[1] is None else None
    yield from pools(snapshot, state, view, only)
    yield "</main>\n"
    yield _foot(state)


def _head(state: State) -> str:
    level, title = state.headline["level"], escape(state.headline["title"])
    return (
        f'<!DOCTYPE html>\n<html lang="en" data-level="{level}" data-generation="{escape(state.generation)}"'
        f' data-taken-at="{timestamp(state.taken_at)}">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<link id="icon" rel="icon" type="image/svg+xml" href="assets/icon-{level}.svg">\n'
        f'<link rel="stylesheet" href="assets/page.css">\n{_MODULES}'
        '<script type="module" src="assets/page.js"></script>\n'
        '</head>\n<body>\n<a class="skip" href="#main">Skip to the servers</a>\n'
    )


def _header(state: State) -> str:
    director = state.director
    pools, servers = state.counts["virtual_servers"], state.counts["real_servers"]
    counts = "".join(_count(f"virtual_servers.{word}", pools[word], word) for word in STATES)
    counts += "".join(_count(f"real_servers.{word}", servers[word], word) for word in HEALTHS)
    sync = "table in sync" if director["in_sync"] else "table NOT in sync"
    facts = {
        "role": director["role"] or "no VRRP",
        "in_sync": sync,
        "probes": counted(director["probes"], "probe"),
        "overrides": counted(director["overrides"], "override"),
    }
    told = "".join(f'<li data-fact="{key}">{escape(text)}</li>' for key, text in facts.items())
    return (
        f'<header id="head" class="{state.headline["level"]}">\n'
        f'<h1 id="headline">{escape(state.headline["title"])}</h1>\n'
        f'<ul id="counts" aria-label="Counts">{counts}</ul>\n<ul id="director" aria-label="The director">{told}</ul>\n'
        '<p id="connection" role="status" hidden></p>\n</header>\n'
    )


def _count(key: str, number: int, word: str) -> str:
    kind = key.partition(".")[0].replace("_", " ")
    empty = " none" if not number else ""
    return f'<li data-count="{key}" class="{word}{empty}">{kind} {word} <b>{number}</b></li>'


def _form(view: View) -> str:
    checked = " checked" if view.problems else ""
    return (
        '<form id="filter-form" role="search" aria-label="Filter" method="get" action="./">\n'
        f'<label for="filter">Filter</label> <input id="filter" type="search" name="filter" '
        f'value="{escape(visible(view.filter))}" autocomplete="off" spellcheck="false">\n'
        f'<label><input id="problems-only" type="checkbox" name="problems" value="1"{checked}> problems only</label>\n'
        '<button type="submit">Show</button>\n</form>\n'
    )


def _foot(state: State) -> str:
    name, version = (escape(visible(state.director[key])) for key in ("name", "version"))
    return (
        f'<footer id="foot">\n<p>{name}, healthlb {version}, as of '
        f'<time id="taken-at" datetime="{timestamp(state.taken_at)}">{timestamp(state.taken_at)}</time>. '
        '<a href="api/v1/status">Status as JSON</a>, <a href="metrics">metrics</a>, '
        '<a href="api/v1/events">events</a>.</p>\n</footer>\n</body>\n</html>\n'
    )
