"""What is no fault and yet hardly what was meant is told in one sentence."""

from pathlib import Path
from typing import Any

import pytest

from healthlb.config.advice import advice
from healthlb.config.loader import Loader
from healthlb.config.server_sections import SCHEDULERS

SHOP = "virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n"
POOL = "    real_servers: [192.0.2.11, 192.0.2.12]\n"
CHECKED = "sorry_server: {address: 192.0.2.250, check: {type: tcp}}"
EXAMPLES = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def told(file: Any, *lines: str) -> list[str]:
    return list(advice(file.load(SHOP + "".join(f"    {line}\n" for line in lines) + POOL)))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_there_is_nothing_to_say_of_the_examples(path: Path) -> None:
    said = advice(Loader(str(path), environ={}).load())
    # No machine has the files and the interfaces that they name.
    absent = ("for this user to read", "on this machine now")
    assert [each for each in said if not any(words in each for words in absent)] == []


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["slow_start: 1m"], "slow_start has hardly a step to climb with weights below 5; give weights of 100 or so"),
        (["slow_start: 1m", "weight: 4"], "slow_start has hardly a step to climb with weights below 5"),
        (["panic: 50%", CHECKED], "panic keeps failing servers pooled while any has a weight"),
        (["quorum: {up: 3}"], "quorum's up and hysteresis are more than all weights of the pool together"),
        (["quorum: {up: 2, hysteresis: 1}"], "quorum's up and hysteresis are more"),
        (["sorry_server: 192.0.2.250"], "the sorry server has no check, so it is believed to be up; give it one"),
        (
            ["sorry_server: {address: 192.0.2.250, weight: 0, check: {type: tcp}}"],
            "the sorry server has weight 0, so it never takes traffic",
        ),
        (
            ["slow_start: 1m", "weight: 100", "scheduler: rr"],
            "slow_start does little with scheduler rr, which does not look at weights",
        ),
        (
            ["slow_start: 1m", "weight: 100", "scheduler: fo"],
            "slow_start does little with scheduler fo, which sends everything to the highest weight",
        ),
    ],
)
def test_what_hardly_does_what_was_meant_is_told(file: Any, lines: list[str], sentence: str) -> None:
    [found] = told(file, *lines)
    assert found.startswith(f"virtual_servers.shop: {sentence}")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["slow_start: 1m", "weight: 5"],
        ["slow_start: 1m", "weight: 0"],
        ["panic: 50%"],
        [CHECKED],
        ["quorum: {up: 2}"],
        ["weight: 0"],
        ["scheduler: rr"],
        *(["slow_start: 1m", "weight: 100", f"scheduler: {one}"] for one in SCHEDULERS if one in {"wrr", "wlc", "mh"}),
    ],
)
def test_what_does_what_was_meant_is_not_spoken_of(file: Any, lines: list[str]) -> None:
    assert told(file, *lines) == []


def test_many_pools_are_one_sentence(file: Any) -> None:
    pools = "".join(
        f"  vs{number}: {{address: '192.0.2.1:{number}', slow_start: 1m, real_servers: [192.0.2.2]}}\n"
        for number in range(1, 9)
    )
    [found] = advice(file.load(f"virtual_servers:\n{pools}"))
    assert found.startswith("virtual_servers.vs1, vs2, vs3, vs4, vs5 and 3 more: slow_start has hardly a step")


def test_a_secret_header_in_the_clear_is_told(file: Any) -> None:
    webhook = "notifiers: {a: {type: webhook, url: 'http://192.0.2.1/', header_files: {X-Token: /dev/null}}}\n"
    assert list(advice(file.load(SHOP + POOL + webhook))) == [
        "notifiers.a: what header_files hold goes in the clear over http; use https"
    ]
    assert advice(file.load(SHOP + POOL + webhook.replace("http:", "https:"))) == ()


def test_a_notifiers_file_that_cannot_be_read_is_told_before_it_is_needed(file: Any) -> None:
    mail = "m: {type: mail, to: a@b.example, from: a@b.example, username: u, password_file: /none/p, tls: tls}"
    hook = "h: {type: webhook, url_file: /none/u, header_files: {X-Token: /none/t, X-Other: /dev/null}}"
    assert sorted(advice(file.load(f"{SHOP}{POOL}notifiers: {{{mail}, {hook}}}\n"))) == [
        f"notifiers.{each} is not there, or not for this user to read"
        for each in ("h: header_files /none/t", "h: url_file /none/u", "m: password_file /none/p")
    ]
