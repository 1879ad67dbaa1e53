"""The VRRP instances on the page: the section that needs no script."""

from collections.abc import Iterator
from html import escape

from healthlb.api.page.marks import since
from healthlb.api.page.overview import State
from healthlb.api.page.shapes import OverviewInstance

CLASSES = {"MASTER": "up", "FAULT": "down", "INIT": "unknown", "BACKUP": "backup"}
"""What colours a state."""


def pair_section(state: State) -> Iterator[str]:
    """Yield the section of VRRP, nothing where there is none."""
    instances = state.director["vrrp"]
    if not instances:
        return
    yield (
        '<section id="vrrp" aria-labelledby="vrrp-heading">\n<h2 id="vrrp-heading">VRRP</h2>\n'
        '<div class="scroll" role="region" aria-label="VRRP instances" tabindex="0">\n<table class="vrrp">\n'
        '<thead><tr><th scope="col">Instance</th><th scope="col">State</th><th scope="col">For</th>'
        '<th scope="col">Priority</th><th scope="col">Interface</th><th scope="col">Master</th>'
        '<th scope="col">Addresses</th><th scope="col">Notes</th></tr></thead>\n<tbody>\n'
    )
    for one in instances:
        yield _row(one, state.taken_at)
    yield "</tbody>\n</table>\n</div>\n</section>\n"


def _row(one: OverviewInstance, now: float) -> str:
    configured, effective = one["priority"], one["effective"]
    priority = str(configured) if effective == configured else f"{effective} of {configured}"
    master = "this director" if one["state"] == "MASTER" else one["master"] or "none known"
    notes = [*([one["trouble"]] if one["trouble"] else []), *one["notes"]]
    return (
        f'<tr data-instance="{escape(one["name"])}" data-state="{one["state"]}">'
        f'<th scope="row">{escape(one["name"])}</th>'
        f'<td><span class="state {CLASSES[one["state"]]}">{one["state"]}</span></td>'
        f"<td>{since(one['since'], now)}</td>"
        f"<td>{priority}</td><td>{escape(one['interface'])} ({one['router_id']})</td><td>{escape(master)}</td>"
        f"<td>{escape(', '.join(one['addresses']))}</td><td>{escape('; '.join(notes))}</td></tr>\n"
    )
