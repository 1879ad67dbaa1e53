"""What a priority comes to: weights and faults, as keepalived.conf(5) has them."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.vrrp.tracking import Seen, Standing, tracked
from healthlb.model.check import Check, Probe
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Schedule
from healthlb.model.vrrp import Track, Tracked, TrackedCheck, VirtualAddress, VrrpInstance
from healthlb.model.vrrp_status import TrackStatus

UP, DOWN = Seen(up=True), Seen(up=False, reason="no carrier")
INSTANCE = VrrpInstance("VI_1", "eth0", 51, 4, (VirtualAddress("192.0.2.1", 24),), priority=100)
weights = st.none() | st.integers(-253, 253)


def standing(pools: dict[str, Seen], *things: Tracked, priority: int = 100) -> Standing:
    instance = dataclasses.replace(INSTANCE, priority=priority, track=Track(virtual_servers=things))
    return tracked(instance, {"eth0": UP}, pools, {})


def test_without_anything_tracked_it_has_its_own_priority() -> None:
    assert standing({}) == Standing(100, (), (TrackStatus("interface", "eth0", True, None),))


@pytest.mark.parametrize(
    ("weight", "up", "priority"),
    [(-60, True, 100), (-60, False, 40), (60, True, 160), (60, False, 100), (0, False, 100)],
)
def test_a_negative_weight_counts_while_down_a_positive_one_while_up(weight: int, up: bool, priority: int) -> None:
    assert standing({"shop": UP if up else DOWN}, Tracked("shop", weight)).priority == priority


def test_weights_add_up() -> None:
    things = Tracked("shop", -30), Tracked("mail", -20), Tracked("dns", 5)
    assert standing({"shop": DOWN, "mail": DOWN, "dns": UP}, *things).priority == 55


@given(st.integers(1, 254), st.lists(st.tuples(weights, st.booleans()), max_size=6))
def test_section_5_2_4_who_does_not_own_the_addresses_stays_within_1_to_254(
    priority: int, things: list[tuple[int | None, bool]]
) -> None:
    pools = {str(name): UP if up else DOWN for name, (_, up) in enumerate(things)}
    result = standing(
        pools, *(Tracked(str(name), weight) for name, (weight, _) in enumerate(things)), priority=priority
    )
    total = priority + sum(weight for weight, up in things if weight and up == (weight > 0))
    assert result.priority == sorted((1, total, 254))[1]
    assert len(result.faults) == sum(weight is None and not up for weight, up in things)


def test_section_5_2_4_an_owner_stays_at_255() -> None:
    assert standing({"shop": DOWN}, Tracked("shop", -60), priority=255).priority == 255


def test_without_a_weight_it_is_a_fault_while_down() -> None:
    assert standing({"shop": UP}, Tracked("shop")).faults == ()
    assert standing({"shop": DOWN}, Tracked("shop")).faults == ("virtual server shop is down (no carrier)",)
    assert standing({"shop": Seen(up=False)}, Tracked("shop")).faults == ("virtual server shop is down",)


def test_what_nothing_is_known_of_is_down() -> None:
    result = standing({}, Tracked("shop", -60))
    assert result.priority == 40
    assert result.statuses[-1] == TrackStatus("virtual_server", "shop", False, -60, "nothing is known of it yet")


def test_its_own_interface_down_is_a_fault_unless_it_has_a_weight() -> None:
    assert tracked(INSTANCE, {"eth0": DOWN}, {}, {}).faults == ("interface eth0 is down (no carrier)",)
    weighed = dataclasses.replace(INSTANCE, track=Track(interfaces=(Tracked("eth0", -10),)))
    result = tracked(weighed, {"eth0": DOWN}, {}, {})
    assert (result.priority, result.faults, len(result.statuses)) == (90, (), 1)


def test_checks_are_tracked_by_their_names() -> None:
    probe = Probe(Check("gateway", "ping", Schedule(2.0, 1.0, 2, 2, 0.5, 5.0), "settings"), Endpoint("192.0.2.254", 0))
    checks = TrackedCheck(Tracked("gateway"), probe), TrackedCheck(Tracked("uplink", -20), probe)
    instance = dataclasses.replace(INSTANCE, track=Track(interfaces=(Tracked("eth1"),), checks=checks))
    result = tracked(instance, {"eth0": UP, "eth1": UP}, {}, {"gateway": DOWN, "uplink": DOWN})
    assert result.faults == ("check gateway is down (no carrier)",)
    assert result.priority == 80
    assert [(status.kind, status.name) for status in result.statuses] == [
        ("interface", "eth0"),
        ("interface", "eth1"),
        ("check", "gateway"),
        ("check", "uplink"),
    ]
