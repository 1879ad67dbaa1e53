"""The VRRP instances in compact form, as the page draws them."""

from collections.abc import Iterator

from healthlb.api.page.shapes import OverviewInstance
from healthlb.api.page.words import one_line, visible
from healthlb.core import pair_concern
from healthlb.model.vrrp_status import InstanceStatus


def instance_view(one: InstanceStatus) -> OverviewInstance:
    """Return one instance as the page has it."""
    trouble = pair_concern.of_instance(one.name, one.state, faults=one.faults, split_brain=one.split_brain)
    return {
        "name": visible(one.name),
        "state": one.state,
        "since": round(one.since, 3),
        "priority": one.configured_priority,
        "effective": one.effective_priority,
        "interface": visible(one.interface),
        "router_id": one.router_id,
        "addresses": [visible(each) for each in one.addresses],
        "master": visible(one.master) or None,
        "trouble": one_line(trouble) or None,
        "notes": [one_line(each) for each in _notes(one)],
    }


def _notes(one: InstanceStatus) -> Iterator[str]:
    if one.yielded:
        yield f"handed over by {one.yielded_by or 'an operator'}"
    for each in one.tracked:
        if not each.up:
            yield f"{each.name} is down" + (f": {each.reason}" if each.reason else "")
