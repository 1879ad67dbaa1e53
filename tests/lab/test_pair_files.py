"""What the lab tells healthlb is what healthlb reads, and keepalived takes its file."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from healthlb.config.loader import Loader
from healthlb.model.vrrp import (
    Announcing,
    ConnectionSync,
    Peer,
    Track,
    Tracked,
    VirtualAddress,
    VirtualRoute,
    VirtualRule,
    Vrrp,
    VrrpInstance,
)
from pair_files import healthlb_section, keepalived_file

HUNDREDTHS = some.integers(1, 4095).map(lambda hundredths: hundredths / 100)
WEIGHTS = some.none() | some.integers(1, 253) | some.integers(-253, -1)
INSTANCES = some.builds(
    VrrpInstance,
    name=some.just("VI_1"),
    interface=some.just("eth0"),
    router_id=some.integers(1, 255),
    family=some.just(4),
    addresses=some.just((VirtualAddress("192.0.2.10", 24), VirtualAddress("192.0.2.11", 32, "eth1", "eth1:1"))),
    priority=some.integers(1, 254),
    interval=HUNDREDTHS,
    preempt=some.just(True),
    preempt_delay=some.sampled_from([0.0, 30.0]),
    start_delay=some.sampled_from([0.0, 2.5]),
    accept=some.booleans(),
    source=some.sampled_from(["", "192.0.2.2"]),
    peers=some.sampled_from([(), (Peer("192.0.2.3"), Peer("192.0.2.4", 64))]),
    check_source=some.booleans(),
    excluded=some.sampled_from([(), (VirtualAddress("2001:db8::1", 64),)]),
    routes=some.sampled_from([(), (VirtualRoute("default", "192.0.2.254", metric=3),)]),
    rules=some.sampled_from([(), (VirtualRule(7, 100, "192.0.2.0/24"),)]),
    announcing=some.builds(Announcing, repeat=some.integers(1, 9), delay=some.sampled_from([0.0, 5.0])),
    track=some.builds(
        Track,
        interfaces=some.sampled_from([(), ("eth1",)]).flatmap(
            lambda names: some.tuples(*(some.builds(Tracked, some.just(name), WEIGHTS) for name in names))
        ),
    ),
)


@given(instance=INSTANCES, by_role=some.booleans())
def test_healthlb_reads_what_the_lab_writes(
    tmp_path_factory: pytest.TempPathFactory, instance: VrrpInstance, by_role: bool
) -> None:
    told = Vrrp(
        {"VI_1": instance}, {"SG1": ("VI_1",)}, ConnectionSync("eth1", 7, "VI_1", by_role=by_role), 12.0, "http://lb2:1"
    )
    file = tmp_path_factory.mktemp("file") / "healthlb.yaml"
    file.write_text(yaml.safe_dump({"vrrp": healthlb_section(told), "virtual_servers": {}}))
    assert Loader(str(file)).load().vrrp == told


def test_the_password_is_told_to_both(tmp_path: Path) -> None:
    addresses = (VirtualAddress("192.0.2.10", 24),)
    told = Vrrp({"VI_1": VrrpInstance("VI_1", "eth0", 51, 4, addresses, version=2, password="secret12")})  # noqa: S106
    file = tmp_path / "healthlb.yaml"
    file.write_text(yaml.safe_dump({"vrrp": healthlb_section(told), "virtual_servers": {}}))
    assert Loader(str(file)).load().vrrp == told
    assert "auth_pass secret12" in keepalived_file("lb1", told)
