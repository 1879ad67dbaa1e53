"""What webhooks are posted."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.model.notifiers import PLACEHOLDERS, Webhook
from healthlb.notify.bodies import ALERT_LASTS, CLOCKS_APART, MOST_LINES, alerts, body, from_template, slack
from tests.notify.happenings import happened, message

ANY_TEXT = st.text(st.characters(codec=None), min_size=1, max_size=40)


def test_our_own_body_is_json_and_the_default() -> None:
    told = json.loads(body(Webhook(url="http://127.0.0.1/"), message()))
    assert told["events"][0]["name"] == "real_server_down"


def test_a_template_is_filled_in_with_what_happened() -> None:
    template = '{"title": "{director}: {event} of {real_server} in {virtual_server}", "n": {count}, "at": "{at}"}'
    event = happened()
    told = json.loads(body(Webhook(url="http://127.0.0.1/", template=template), message(event)))
    assert told["title"] == "lb1: real_server_down of web1 in shop"
    assert told["n"] == 1
    assert told["at"].endswith("Z")


def test_a_template_lists_what_differs() -> None:
    events = [happened(server=f"web{number}") for number in range(7)] + [happened("real_server_up", level="info")]
    assert from_template("{event}|{virtual_server}|{real_server}|{level}|{count}", message(*events)) == (
        "real_server_down, real_server_up|shop|web0, web1, web2, web3, web4 and 2 more|warning|8"
    )


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_whatever_happened_a_template_stays_json(pool: str, server: str, sentence: str) -> None:
    template = json.dumps({name: f"<{{{name}}}>" for name in PLACEHOLDERS})
    told = json.loads(from_template(template, message(happened(pool=pool, server=server, sentence=sentence))))
    assert told["virtual_server"] == f"<{pool}>"
    assert told["real_server"] == f"<{server}>"
    assert set(told) == set(PLACEHOLDERS)


def test_what_was_filled_in_is_not_filled_in_again() -> None:
    assert from_template("{virtual_server}", message(happened(pool="{director}"))) == "{director}"


def test_slack_is_told_the_gist_and_the_first_few_sentences() -> None:
    assert slack(message(happened(sentence="shop: web1 is DOWN"))) == {"text": "*lb1*: shop: web1 is DOWN"}
    events = [happened(server=f"web{number}") for number in range(MOST_LINES + 5)]
    lines = slack(message(*events, dry_run=True))["text"].splitlines()
    assert lines[0].startswith("*lb1* (dry run): 20 real servers are down in shop: web0")
    assert lines[1] == "• shop: web0 real_server_down"
    assert lines[-1] == "… and 5 more"
    assert len(lines) == MOST_LINES + 2


@given(ANY_TEXT)
def test_nothing_that_a_server_said_is_markup_for_slack(sentence: str) -> None:
    text = slack(message(happened(sentence=f"{sentence}<!channel>")))["text"]
    assert "<" not in text
    assert ">" not in text
    assert "\n" not in text
    assert "&lt;!channel&gt;" in text


def test_a_long_sentence_is_cut_for_slack() -> None:
    assert len(slack(message(happened(sentence="x" * 5000)))["text"]) < 400


def test_an_alert_is_resolved_by_the_same_labels() -> None:
    down, up = alerts(message(happened(), happened("real_server_up", level="info", sentence="it is UP")))
    assert down["labels"] == up["labels"] == {
        "alertname": "RealServerDown",
        "severity": "warning",
        "director": "lb1",
        "instance": "192.0.2.1:8080",
        "virtual_server": "shop",
        "real_server": "web1",
    }  # fmt: skip
    assert "startsAt" not in up
    assert up["annotations"] == {"summary": "it is UP", "event": "real_server_up"}


@pytest.mark.parametrize(
    ("begin", "end", "details"),
    [
        ("quorum_lost", "quorum_regained", {}),
        ("check_warned", "check_warning_ended", {"check": "web"}),
        ("panic_began", "panic_ended", {}),
    ],
)
def test_whatever_ends_ends_its_own_alert(begin: str, end: str, details: dict[str, Any]) -> None:
    first, last = alerts(message(happened(begin, **details), happened(end, level="info", **details)))
    assert first["labels"] == last["labels"]
    assert set(details.items()) <= set(first["labels"].items())


def test_an_alert_lasts_longer_than_alertmanager_waits_and_its_end_has_passed_by_a_slower_clock() -> None:
    event, end = happened(), happened("real_server_up")
    down, up = alerts(message(event, end))
    starts, ends = (datetime.fromisoformat(down[each]).timestamp() for each in ("startsAt", "endsAt"))
    assert starts == pytest.approx(event.at, abs=0.001)
    assert ends - starts == ALERT_LASTS
    assert datetime.fromisoformat(up["endsAt"]).timestamp() == pytest.approx(end.at - CLOCKS_APART, abs=0.001)


def test_a_pool_that_is_not_up_is_one_alert_whatever_its_state() -> None:
    states = [("up", "degraded"), ("degraded", "down"), ("down", "up")]
    told = alerts(
        message(*[happened("virtual_server_changed", server=None, before=one, after=two) for one, two in states])
    )
    assert [each["labels"] for each in told] == [told[0]["labels"]] * 3
    assert ["startsAt" in each for each in told] == [True, True, False]


def test_what_neither_begins_nor_ends_anything_is_ended_by_alertmanager_itself() -> None:
    told = alerts(message(happened("warned", None, None, level="error"), dry_run=True))[0]
    assert told["labels"] == {"alertname": "Warned", "severity": "critical", "director": "lb1", "instance": "lb1",
                              "dry_run": "true"}  # fmt: skip
    assert "endsAt" not in told
