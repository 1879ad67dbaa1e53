"""What a message says."""

import json

from hypothesis import given
from hypothesis import strategies as st

from healthlb.model.events import Event
from healthlb.model.occurrence import name_of
from healthlb.notify.grouping import NEVER
from healthlb.notify.message import POOLS, SERVERS, as_json, plain, sentence
from healthlb.notify.spells import ENDS, TOLD_APART_BY
from tests.notify.happenings import MOMENT, happened, message

NAMES = {name_of(kind) for kind in Event.__args__}  # type: ignore[attr-defined]


def test_every_event_that_is_spoken_of_is_one_that_there_is() -> None:
    for names in (SERVERS, POOLS, ENDS, ENDS.values(), TOLD_APART_BY, NEVER):
        assert set(names) <= NAMES


def test_one_event_is_told_in_its_own_sentence() -> None:
    assert (
        sentence(message(happened(sentence="shop: web1 is DOWN: web: refused"))) == "shop: web1 is DOWN: web: refused"
    )


def test_many_events_are_counted_and_the_first_few_named() -> None:
    events = [happened(pool=f"pool{number % 3}", server=f"web{number}") for number in range(200)]
    assert sentence(message(*events)) == (
        "200 real servers are down in 3 virtual servers: pool0 web0, pool1 web1, pool2 web2, pool0 web3, pool1 web4 "
        "and 195 more"
    )


def test_servers_of_one_pool_are_named_without_it() -> None:
    events = [happened(server=f"web{number}") for number in range(4)]
    assert sentence(message(*events)) == "4 real servers are down in shop: web0, web1, web2, web3"


def test_different_events_are_counted_apart_in_the_order_in_which_they_began() -> None:
    events = [happened(server=f"web{number}") for number in range(3)]
    events += [happened("virtual_server_changed", each, None, before="up", after="down") for each in ("shop", "mail")]
    events += [happened("quorum_lost", each, None) for each in ("shop", "mail")]
    events += [happened("real_server_up", server="web1", sentence="shop: web1 is UP: web: 200 OK")]
    events += [happened("config_refused", None, None, sentence=f"reload refused: {each}") for each in "ab"]
    assert sentence(message(*events)) == (
        "3 real servers are down in shop: web0, web1, web2; 2 virtual servers turned down: shop, mail; "
        "quorum lost in 2 virtual servers: shop, mail; shop: web1 is UP: web: 200 OK; "
        "reload refused: a (and 1 more config_refused)"
    )


def test_a_server_that_went_down_twice_is_one_server() -> None:
    events = [happened(), happened("real_server_up"), happened(), happened("real_server_up")]
    assert sentence(message(*events)) == "1 real server is down in shop: web1; 1 real server is up in shop: web1"


def test_a_message_as_json_holds_all_of_its_events() -> None:
    first = happened(reason="connection refused", streak=3)
    table = happened("table_lost", None, None, level="error", sentence="table out of reach: busy")
    told = as_json(message(first, table))
    assert told["director"] == "lb1"
    assert (told["level"], told["count"]) == ("error", 2)
    assert "dry_run" not in told
    assert told["events"][0] == {
        "id": first.id,
        "at": told["events"][0]["at"],
        "name": "real_server_down",
        "level": "warning",
        "message": "shop: web1 real_server_down",
        "virtual_server": "shop",
        "real_server": "web1",
        "service": "tcp 198.51.100.1:80",
        "address": "192.0.2.1:8080",
        "details": {"reason": "connection refused", "streak": 3},
    }
    assert told["events"][1]["service"] is None
    assert json.loads(json.dumps(told)) == told
    assert as_json(message(dry_run=True))["dry_run"] is True


def test_moments_are_rfc_3339_in_utc() -> None:
    event = happened()
    told = as_json(message(event))["events"][0]["at"]
    assert told.startswith("2026-10-14T")
    assert told.endswith("Z")
    assert event.at > MOMENT


@given(st.text(st.characters(codec=None), max_size=60))
def test_what_is_told_is_always_one_line_that_a_terminal_may_show(text: str) -> None:
    assert plain(text).isprintable()
    assert sentence(message(happened(sentence=text or "x"))).encode()
