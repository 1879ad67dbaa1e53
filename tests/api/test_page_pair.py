"""The pair of directors on the page: what the script is told, and what is there without one."""

import asyncio
import dataclasses
import json
from typing import Any

import pytest

from healthlb.api.page.document import page
from healthlb.api.page.overview import look, overview
from healthlb.api.page.view import View
from healthlb.api.rendering import in_slices
from healthlb.model.snapshot import Snapshot
from healthlb.model.vrrp_status import PairStatus
from made_up_pair import BACKUP, FAULT, MASTER, PAIR, SPLIT, TROUBLE


def html(snapshot: Snapshot) -> str:
    return b"".join(asyncio.run(in_slices(page(snapshot, View()))).plain()).decode()


def told(snapshot: Snapshot) -> Any:
    work = look(snapshot, None, sums=True)
    while True:
        try:
            next(work)
        except StopIteration as done:
            return json.loads("".join(overview(done.value)))


def with_pair(source: Any, pair: PairStatus | None) -> Snapshot:
    snapshot: Snapshot = dataclasses.replace(source.current, pair=pair)
    return snapshot


@pytest.mark.parametrize(
    ("pair", "role"),
    [
        (None, None),
        (PairStatus((MASTER,)), "MASTER"),
        (PairStatus((BACKUP, dataclasses.replace(BACKUP, name="VI_3"))), "BACKUP"),
        (PairStatus((FAULT,)), "FAULT"),
        (PAIR, "VI_1 MASTER, VI_2 BACKUP"),
        (PairStatus((MASTER, BACKUP, BACKUP, BACKUP)), "1 MASTER, 3 BACKUP"),
    ],
)
def test_the_headline_has_the_role_of_the_director(source: Any, pair: PairStatus | None, role: str | None) -> None:
    snapshot = with_pair(source, pair)
    assert told(snapshot)["director"]["role"] == role
    assert f'<li data-fact="role">{role or "no VRRP"}</li>' in html(snapshot)


def test_each_instance_has_a_row_with_what_it_follows(source: Any) -> None:
    made = html(with_pair(source, PAIR))
    assert '<tr data-instance="VI_1" data-state="MASTER">' in made
    for said in ("90 of 150", "eth0 (51)", "this director", "198.51.100.100/24, 198.51.100.101/24", "203.0.113.3"):
        assert said in made
    assert "shop is down: quorum 1 LOST" in made
    assert '<section id="vrrp"' not in html(with_pair(source, None))


def test_what_is_wrong_with_the_pair_counts_as_a_problem_of_the_director(source: Any) -> None:
    snapshot = with_pair(source, TROUBLE)
    found = told(snapshot)
    assert "VI_2 is in FAULT: eth1 is down" in found["director"]["problems"]
    assert "nobody speaks VRRP: it was killed by signal 9" in found["director"]["problems"]
    assert any("was handed over by an operator" in each for each in found["director"]["warnings"])
    assert found["headline"]["problems"] == 6
    assert "VI_2 is in FAULT: eth1 is down" in html(snapshot)


@pytest.mark.parametrize(("one", "level"), [(MASTER, "warning"), (FAULT, "warning"), (SPLIT, "bad")])
def test_two_masters_make_the_page_red(source: Any, one: Any, level: str) -> None:
    assert told(with_pair(source, PairStatus((one,))))["headline"]["level"] == level


def test_an_instance_that_knows_no_master_says_so_and_one_that_was_handed_over_too(source: Any) -> None:
    lone = dataclasses.replace(BACKUP, master="", yielded=True)
    made = html(with_pair(source, PairStatus((lone,))))
    assert "none known" in made
    assert "handed over by an operator" in made


def test_nothing_that_a_peer_sent_becomes_markup(source: Any) -> None:
    rude = dataclasses.replace(SPLIT, name="<b>VI", master="\x1b", split_brain="<script>alert(1)</script>")
    made = html(with_pair(source, PairStatus((rude,))))
    assert "<script>alert" not in made
    assert "<b>VI" not in made
