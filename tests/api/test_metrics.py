"""What docs/metrics.md says of the metrics, and what single numbers of them mean."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from healthlb.api.metrics import metrics
from healthlb.daemon.histogram import LATENESS, PASS, Histogram
from healthlb.daemon.tallies import Tally
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Override, Scope
from healthlb.model.snapshot import ListenerStatus, NotifierStatus, ProcessStatus, Snapshot, StateStatus
from healthlb.model.vrrp_status import PairStatus
from made_up_pair import MASTER, PAIR, SPEAKER, SYNC, TROUBLE
from metrics_reference import renewed

FILE = Path(__file__).parents[2] / "docs" / "metrics.md"


def series(snapshot: Snapshot) -> set[str]:
    """Return every series by its name and labels."""
    text = "".join(metrics(snapshot))
    found = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(set(found)) == len(found)
    return set(found)


def number(snapshot: Snapshot, one: str) -> float:
    """Return the number of one series."""
    (found,) = re.findall(rf"^{re.escape(one)} (\S+)$", "".join(metrics(snapshot)), re.MULTILINE)
    return float(found)


def changed(snapshot: Snapshot, **director: Any) -> Snapshot:
    return replace(snapshot, director=replace(snapshot.director, **director))


def test_the_document_has_every_family_as_it_is_declared() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert text == renewed(text), "docs/metrics.md is not up to date: run tests/lab/metrics_reference.py"


def test_the_document_says_how_many_series_each_thing_brings(source: Any) -> None:
    text = FILE.read_text(encoding="utf-8")
    said = {what: int(count) for what, count in re.findall(r"^\| ([a-z ]+) \| (\d+) \|$", text, re.MULTILINE)}
    (pool,) = source.current.virtual_servers
    server = replace(pool.real_servers[0], checks=())
    director = source.current.director
    nothing = changed(
        replace(source.current, virtual_servers=()),
        table=replace(director.table, passes=Histogram(PASS).distribution()),
        probing=replace(director.probing, loop_lag=Histogram(LATENESS).distribution()),
        state=StateStatus(saved_at=1.0),
        overrides=(Override(Scope(None, "192.0.2.1", None), "drain"),),
        listeners=(ListenerStatus("listen"), ListenerStatus("admin")),
        process=ProcessStatus(collections=(0, 0, 0)),
    )
    probing = replace(nothing.director.probing, checks=(Tally("web", "http").totals(),))
    pools = {
        "virtual server": replace(pool, real_servers=()),
        "real server of a virtual server": replace(pool, real_servers=(server,)),
        "check of a real server": replace(pool, real_servers=(pool.real_servers[0],)),
    }
    found = {
        "director": len(series(nothing)),
        "name and type of a check": len(series(changed(nothing, probing=probing)) - series(nothing)),
        "notifier": len(series(changed(nothing, notifiers=(NotifierStatus("a", "mail", *[0] * 4),))) - series(nothing)),
    }
    lone = replace(MASTER, tracked=())
    for what, pair in {
        "virtual router": PairStatus((lone,)),
        "connection sync daemon": PairStatus(sync=SYNC[:1]),
        "speaker of a pair": PairStatus(speaker=SPEAKER),
    }.items():
        found[what] = len(series(replace(nothing, pair=pair)) - series(nothing))
    before = nothing
    for what, each in pools.items():
        after = replace(nothing, virtual_servers=(each,))
        found[what] = len(series(after) - series(before))
        before = after
    assert found == said


def test_the_oldest_override_tells_its_moment_and_without_one_there_is_none(source: Any) -> None:
    scope = Scope(None, "192.0.2.1", None)
    both = tuple(Override(scope, "drain", at=at) for at in (70.5, 30.25))
    assert number(changed(source.current, overrides=both), "healthlb_overrides_oldest_timestamp_seconds") == 30.25
    assert not {one for one in series(source.current) if "oldest" in one}


def test_what_never_happened_is_counted_as_0(source: Any) -> None:
    snapshot = changed(source.current, events=(("quorum_lost", 2),), listeners=(ListenerStatus("listen"),))
    assert number(snapshot, 'healthlb_events_total{event="quorum_lost"}') == 2
    assert number(snapshot, 'healthlb_events_total{event="real_server_down"}') == 0
    assert number(snapshot, 'healthlb_table_failed_operations_total{kind="add_service"}') == 0
    assert number(snapshot, 'healthlb_http_requests_total{listener="listen",code="500"}') == 0


def test_a_pool_sums_up_its_servers(source: Any) -> None:
    (pool,) = source.current.virtual_servers
    up, down = pool.real_servers
    many = replace(source.current, virtual_servers=(replace(pool, real_servers=(*[up] * 300, *[down] * 500)),))
    few = changed(many, config=replace(many.director.config, metrics_per_real_server=False))
    for name, expected in {"real_servers_up": 300, "real_servers_down": 500, "configured_weight": 800}.items():
        assert number(few, f'healthlb_virtual_server_{name}{{virtual_server="shop"}}') == expected


def test_the_kernels_estimates_are_shown_beside_its_counters(source: Any) -> None:
    row = '{virtual_server="shop",local_address="11.197.140.20",local_port="18089",proto="TCP",local_mark=""}'
    assert number(source.current, f"healthlb_virtual_server_incoming_bytes_per_second{row}") == 8
    assert number(source.current, f"healthlb_virtual_server_incoming_bytes_total{row}") == 5902


def test_an_address_of_ipv6_is_spelled_as_node_exporter_does(source: Any) -> None:
    (pool,) = source.current.virtual_servers
    server = replace(pool.real_servers[0], address=Endpoint("2001:db8::1", 443))
    snapshot = replace(source.current, virtual_servers=(replace(pool, real_servers=(server,)),))
    assert any('remote_address="2001:db8::1",remote_port="443"' in one for one in series(snapshot))


def test_the_state_of_an_instance_is_a_gauge_of_each_state(source: Any) -> None:
    snapshot = replace(source.current, pair=TROUBLE)
    for name, interface, state in (("VI_1", "eth0", "master"), ("VI_2", "eth0", "fault"), ("VI_3", "eth1", "backup")):
        labels = f'{{vrrp_instance="{name}",interface="{interface}"}}'
        for each in ("master", "backup", "fault"):
            assert number(snapshot, f"healthlb_vrrp_{each}{labels}") == (each == state)
    assert number(snapshot, 'healthlb_vrrp_split_brain{vrrp_instance="VI_1",interface="eth0"}') == 1
    assert number(snapshot, 'healthlb_vrrp_yielded{vrrp_instance="VI_3",interface="eth1"}') == 1
    assert number(snapshot, "healthlb_speaker_running") == 0


def test_packets_that_were_no_good_are_counted_by_every_reason_from_the_start(source: Any) -> None:
    snapshot = replace(source.current, pair=PAIR)
    labels = 'vrrp_instance="VI_1",interface="eth0",reason='
    assert number(snapshot, f'healthlb_vrrp_adverts_dropped_total{{{labels}"checksum"}}') == 3
    assert number(snapshot, f'healthlb_vrrp_adverts_dropped_total{{{labels}"hop_limit"}}') == 0


def test_what_a_priority_follows_and_when_the_peer_was_heard_have_series_of_their_own(source: Any) -> None:
    snapshot = replace(source.current, pair=PAIR)
    assert number(snapshot, 'healthlb_vrrp_tracked_up{vrrp_instance="VI_1",kind="virtual_server",tracked="shop"}') == 0
    heard = 'healthlb_connection_sync_last_packet_timestamp_seconds{role="backup",interface="eth1"}'
    assert number(snapshot, heard) == SYNC[1].last_packet_at
