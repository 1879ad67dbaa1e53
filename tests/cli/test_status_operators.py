"""What the status shows of operators' orders and of policy."""

import asyncio
import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from healthlb.api import document
from healthlb.api.rendering import in_slices
from healthlb.cli.status_view import view
from healthlb.cli.times import local
from healthlb.model.snapshot import Snapshot

UNTIL = "2026-11-22T14:00:00.000Z"
OVERRIDE = {
    "what": "drain",
    "scope": "11.197.141.110",
    "virtual_server": None,
    "who": "uid 0 (root) pid 812",
    "why": "new disks",
    "expires_at": None,
}
NOTIFIER = {"name": "oncall", "type": "webhook", "waiting": 0, "sent_total": 1, "failed_total": 0, "dropped_total": 0}
Show = Callable[..., str]


@pytest.fixture
def status(snapshot: Snapshot) -> dict[str, Any]:
    text = b"".join(asyncio.run(in_slices(document.status(snapshot))).plain())
    whole: dict[str, Any] = json.loads(text)
    return whole


@pytest.fixture
def show(status: dict[str, Any]) -> Show:
    """Show the status with other fields in the director, the pool `shop` or its first server."""

    def shown(where: str, **fields: Any) -> str:
        changed = copy.deepcopy(status)
        pool = next(each for each in changed["virtual_servers"] if each["name"] == "shop")
        place = {"director": changed["director"], "pool": pool, "server": pool["real_servers"][0]}[where]
        place |= fields
        return re.sub(r" +", " ", view(changed, width=200, colour=False))

    return shown


def test_who_drained_a_server_and_why_is_beside_its_weights(show: Show) -> None:
    weight = {"configured": 2, "effective": 0, "kernel": 0, "chain": ["2", "drain (operator)"]}
    text = show("server", admin="draining", overrides=[OVERRIDE], weight=weight)
    assert "draining: drain everywhere by uid 0 (root) pid 812 (new disks): weight 2 -> drain (operator): web" in text


def test_an_override_of_one_pool_tells_until_when_it_is(show: Show) -> None:
    override = OVERRIDE | {"what": "weight 5", "virtual_server": "shop", "why": "", "expires_at": UNTIL}
    assert f"weight 5 by uid 0 (root) pid 812, until {local(UNTIL)}: weight" in show("server", overrides=[override])


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"pooled_but_down": True}, "POOLED BUT DOWN: weight"),
        ({"ramp": 0.35}, "slow start at 35 %: weight"),
        ({"origin": "runtime"}, "added at run time: web"),
    ],
)
def test_what_is_special_about_a_server_is_said(fields: dict[str, Any], told: str, show: Show) -> None:
    assert told in show("server", **fields)


def test_a_hold_for_flapping_tells_how_long_it_lasts(status: dict[str, Any], show: Show) -> None:
    held = status["taken_at"]
    assert "held down for flapping, 0s left" in show("server", held_until=held)


def test_a_server_of_which_nothing_is_special_says_no_more_than_before(show: Show, status: dict[str, Any]) -> None:
    usual = {"overrides": [], "pooled_but_down": False, "held_until": None, "ramp": None, "origin": "file"}
    assert show("server", **usual) == re.sub(r" +", " ", view(status, width=200, colour=False))


def test_panic_is_loud_and_names_those_that_stay_pooled(show: Show, status: dict[str, Any]) -> None:
    servers = copy.deepcopy(status["virtual_servers"][1]["real_servers"])
    servers[1]["pooled_but_down"] = True
    text = show("pool", state="panic", real_servers=servers, panic=50.0)
    assert "PROBLEM shop is in PANIC, too many servers fail and some of them stay pooled: web2" in text
    assert "1 PANIC" in text.partition("\n\n")[0]
    assert "panic floor 50 %" in text


def test_sorry_servers_and_rows_that_are_to_go_have_rows_of_their_own(show: Show, status: dict[str, Any]) -> None:
    sorry = copy.deepcopy(status["virtual_servers"][0]["real_servers"][0]) | {"address": "192.0.2.250:80", "checks": []}
    assert "-> 192.0.2.250:80 (sorry) nat 2 2 3 up" in show("pool", sorry_servers=[sorry], sorry_server_active=True)
    going = {"address": "192.0.2.9:80", "until": UNTIL, "connections": {"active": 4, "inactive": 1, "persistent": 0}}
    text = show("pool", leaving=[going])
    assert f"-> 192.0.2.9:80 0 4 1 leaving 0 0 0 0 0 0 0 0 0 0 out by {local(UNTIL)} at the latest" in text


def test_a_removed_server_is_told_with_its_pool(show: Show) -> None:
    removed = {"address": "192.0.2.9:80", "who": "uid 0", "why": "gone"}
    text = show("pool", removed=[removed])
    assert "192.0.2.9:80 removed by uid 0 (gone)" in text
    assert "changed at run time: 1 removed server; see `healthlb overrides`" in text


def test_what_was_changed_at_run_time_is_counted_at_the_top(show: Show) -> None:
    text = show("director", overrides=[OVERRIDE, OVERRIDE], added=[{}])
    assert "changed at run time: 2 overrides, 1 added server; see" in text.partition("\n\n")[0]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"state": {"failing": "disk full"}}, "PROBLEM a restart would forget what was changed: disk full"),
        ({"journal": {"failing": "disk full", "dropped_total": 0}}, "PROBLEM events are not kept: disk full"),
        (
            {"state": {"failing": "no space left on device", "path": "/var/lib/healthlb"}},
            "PROBLEM a restart would forget what was changed: /var/lib/healthlb: no space left on device",
        ),
        ({"journal": {"failing": None, "dropped_total": 3}}, "warning 3 events could not be kept"),
        (
            {"notifiers": [NOTIFIER | {"failing": "status 500", "waiting": 7}]},
            "PROBLEM notifier oncall cannot deliver, 7 messages waiting: status 500",
        ),
        (
            {"notifiers": [NOTIFIER | {"failing": None, "dropped_total": 2, "failed_total": 1}]},
            "warning notifier oncall: 3 messages lost",
        ),
        ({"journal": {"failing": None, "dropped_total": 0}, "state": {"failing": None}}, ""),
        ({"notifiers": [NOTIFIER | {"failing": None}]}, ""),
    ],
)
def test_what_fails_beside_the_table_is_at_the_top(fields: dict[str, Any], told: str, show: Show) -> None:
    above = show("director", **fields).partition("\n\n")[0]
    assert told in above
    assert ("PROBLEM" in above or "warning" in above) == bool(told)


def test_what_an_operator_wrote_can_not_drive_the_terminal(show: Show) -> None:
    text = show("server", admin="drained", overrides=[OVERRIDE | {"why": "\x1b]0;owned\x07\r\n"}])
    assert not set(text) & set("\x1b\x07\r")
