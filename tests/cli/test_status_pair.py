"""What `healthlb status` tells of the pair of directors, to people and to Nagios."""

import json
from dataclasses import replace
from typing import Any

import pytest

from healthlb.cli.nagios import report
from healthlb.cli.status_verdict import verdict
from healthlb.cli.status_view import view
from healthlb.model.snapshot import Snapshot
from healthlb.model.vrrp_status import PairStatus
from made_up_pair import BACKUP, FAULT, MASTER, PAIR, SPEAKER, SPLIT, SYNC, TROUBLE
from tests.cli.statuses import told


def status_of(snapshot: Snapshot, pair: PairStatus | None) -> dict[str, Any]:
    """Return the status of a director with one healthy pool."""
    return told(replace(snapshot, virtual_servers=snapshot.virtual_servers[:1], pair=pair))


def lines_of(snapshot: Snapshot, pair: PairStatus | None, width: int = 200, **how: Any) -> list[str]:
    text = view(status_of(snapshot, pair), width=width, colour=False, **how)
    return [" ".join(line.split()) for line in text.splitlines()]


def test_each_instance_has_a_row_with_its_state_its_priority_its_master_and_what_it_follows(snapshot: Snapshot) -> None:
    made = lines_of(snapshot, PAIR)
    assert (
        "VI_1 MASTER 66m 90/150 eth0 51 this director "
        "198.51.100.100/24, 198.51.100.101/24, group both, shop is down (quorum 1 LOST): -60"
    ) in made
    assert "VI_2 BACKUP 66m 150 eth1 52 203.0.113.3 (200) 203.0.113.100/24, group both" in made


def test_connection_sync_is_told_with_when_the_peer_was_heard(snapshot: Snapshot) -> None:
    made = lines_of(snapshot, PAIR)
    assert "connection sync: master runs on eth1, id 51" in made
    assert "connection sync: backup runs on eth1, id 51, the peer's packets last seen 3s ago" in made
    silent = replace(PAIR, sync=(replace(SYNC[1], last_packet_at=None),))
    assert "connection sync: backup runs on eth1, id 51, no packet of the peer's seen yet" in lines_of(snapshot, silent)
    foreign = replace(PAIR, sync=(replace(SYNC[0], wanted=False),))
    assert "connection sync: master runs on eth1, id 51, not of this file" in lines_of(snapshot, foreign)


def test_the_speaker_is_told_with_how_late_its_adverts_are(snapshot: Snapshot) -> None:
    (line,) = [each for each in lines_of(snapshot, PAIR) if each.startswith("speaker")]
    assert line == (
        "speaker: process 812, real time, memory locked, "
        "adverts late by 0.2ms (p99), 3.1ms at worst, started again once"
    )
    modest = replace(SPEAKER, real_time=False, memory_locked=False, restarts_total=2, problem="an address was refused")
    (line,) = [each for each in lines_of(snapshot, PairStatus(speaker=modest)) if each.startswith("speaker")]
    assert "not real time, memory not locked" in line
    assert line.endswith("started again 2 times, an address was refused")


def test_all_that_is_wrong_comes_first(snapshot: Snapshot) -> None:
    made = lines_of(snapshot, TROUBLE)
    assert made[2:8] == [
        "PROBLEM VI_1 has a second master: 198.51.100.3 adverts priority 80 although we are MASTER",
        "PROBLEM VI_2 is in FAULT: eth1 is down",
        "PROBLEM connection sync: the master daemon: no such device",
        "PROBLEM connection sync: the backup daemon does not run",
        "PROBLEM nobody speaks VRRP: it was killed by signal 9",
        "warning VI_3 was handed over by an operator; `healthlb failover VI_3 --back` takes it back",
    ]
    assert "speaker: DOES NOT RUN, it was killed by signal 9" in made
    assert any(line.startswith("VI_2 FAULT") and "none known" in line for line in made)


@pytest.mark.parametrize(
    "pair",
    [
        PairStatus((FAULT,)),
        PairStatus((SPLIT,)),
        PairStatus((MASTER,), speaker=replace(SPEAKER, running=False)),
        PairStatus((MASTER,), (replace(SYNC[1], running=False),)),
    ],
    ids=["fault", "split brain", "no speaker", "no sync"],
)
def test_a_pair_in_trouble_is_degraded_as_a_whole_and_no_fault_of_a_virtual_server(
    snapshot: Snapshot, pair: PairStatus
) -> None:
    status = status_of(snapshot, pair)
    assert verdict(status, whole=True) == "degraded"
    assert verdict(status, whole=False) == "fine"


@pytest.mark.parametrize("pair", [None, PAIR, PairStatus((BACKUP,))])
def test_either_role_is_fine(snapshot: Snapshot, pair: PairStatus | None) -> None:
    assert verdict(status_of(snapshot, pair), whole=True) == "fine"


def test_a_director_without_vrrp_and_one_of_an_earlier_version_say_nothing_of_it(snapshot: Snapshot) -> None:
    status = status_of(snapshot, None)
    text = view(status, width=200, colour=False)
    assert "VRRP" not in text
    for key in ("connection_sync", "speaker"):
        del status[key]
    assert view(status, width=200, colour=False) == text
    assert verdict(status, whole=True) == "fine"


def test_of_chosen_virtual_servers_the_pair_is_no_part(snapshot: Snapshot) -> None:
    assert not [line for line in lines_of(snapshot, TROUBLE, whole=False) if "VI_" in line or "speaker" in line]


def test_nothing_that_a_peer_sent_drives_the_terminal(snapshot: Snapshot) -> None:
    rude = replace(SPLIT, name="VI\x1b[2J", split_brain="\x1b]0;owned\x07")
    assert "\x1b" not in view(status_of(snapshot, PairStatus((rude,))), width=80, colour=False)


def test_nagios_is_told_the_role_and_what_is_wrong_with_the_pair(snapshot: Snapshot) -> None:
    first, *_ = report(status_of(snapshot, PAIR), whole=True).splitlines()
    assert first.startswith("HEALTHLB OK - 1 virtual server up; 1 of 1 real server up; VRRP 1 MASTER, 1 BACKUP | ")
    first, *rest = report(status_of(snapshot, PairStatus((FAULT,))), whole=True).splitlines()
    assert first.startswith("HEALTHLB WARNING - ")
    assert "VRRP FAULT; 1 fault of the pair | " in first
    assert rest == ["VI_1 is in FAULT: eth1 is down"]
    assert "VRRP" not in report(status_of(snapshot, PAIR), whole=False)
    assert json.dumps(status_of(snapshot, PAIR))
