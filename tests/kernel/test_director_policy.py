"""Panic, sorry servers, slow start and flap damping, as a client of a real table sees them."""

import re
from pathlib import Path
from typing import Any

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from traffic import Connection, Load, NoAnswerError, WebServer, ask, names
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
THIRD, FOURTH = "11.197.140.20:28090", "11.197.140.20:28091"
WEB = "{type: http, path: /, interval: 300ms, timeout: 5s, rise: 1, fall: 2, fast_interval: 200ms}"


def shop(*servers: str, policy: str, scheduler: str = "rr", weight: int = 1) -> str:
    return f"""
director: {{resync: 1s, sysctl: set}}
virtual_servers:
  shop:
    address: {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}
    scheduler: {scheduler}
    weight: {weight}
    check: {WEB}
    real_servers: [{", ".join(servers)}]
    {policy}
"""


def pool(director: Director) -> dict[str, Any]:
    (found,) = director.status()["virtual_servers"]
    return dict(found)


def start(classic: ClassicNat, folder: Path, text: str) -> Director:
    director = Director(classic.director, folder)
    director.start(text)
    director.ready()
    return director


def test_with_a_panic_floor_clients_are_served_while_every_check_fails(classic: ClassicNat, tmp_path: Path) -> None:
    third = WebServer(classic.director, VIRTUAL_ADDRESS, 28090, "third")
    fourth = WebServer(classic.director, VIRTUAL_ADDRESS, 28091, "fourth")
    director = start(classic, tmp_path, shop(REMOTE, LOCAL, THIRD, FOURTH, policy="panic: 50%"))
    classic.remote.status = 503
    director.until_weights({REMOTE: 0, LOCAL: 1, THIRD: 1, FOURTH: 1})
    with Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load:
        for server in (classic.local, third, fourth):
            server.status = 503
        eventually(lambda: pool(director)["state"], "panic".__eq__)
        eventually(lambda: {each["health"] for each in pool(director)["real_servers"]}, {"down"}.__eq__)
        load.wait_for(10)
        assert sum(director.weights().values()) == 2, "the floor holds half of four"
        assert director.weights()[REMOTE] == 0, "the ones that failed last stay"
        kept = [each["name"] for each in pool(director)["real_servers"] if each["pooled_but_down"]]
        assert len(kept) == 2
        assert "panic" in director.command("status").stdout.lower()
        classic.remote.status = 200
        eventually(lambda: director.weights()[REMOTE], (1).__eq__)
        assert sum(director.weights().values()) == 2, "recovery swaps them out"
        for server in (classic.local, third, fourth):
            server.status = 200
        director.until_weights(dict.fromkeys((REMOTE, LOCAL, THIRD, FOURTH), 1))
        eventually(lambda: pool(director)["state"], "up".__eq__)
        load.wait_for(10)
    assert load.failures == []
    assert director.logged().count("is in panic: ") == 1
    assert director.logged().count("is in panic no longer") == 1


def test_a_sorry_server_comes_in_below_the_quorum_and_goes_without_a_failed_request(
    classic: ClassicNat, tmp_path: Path
) -> None:
    WebServer(classic.director, VIRTUAL_ADDRESS, 28090, "sorry")
    policy = f"sorry_server: {{address: '{THIRD}', check: {WEB}}}"
    director = start(classic, tmp_path, shop(REMOTE, LOCAL, policy=policy))
    assert not pool(director)["sorry_server_active"]
    director.until_weights({REMOTE: 1, LOCAL: 1})
    with (
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as open_before,
        Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load,
    ):
        name = open_before.ask()
        for server in (classic.remote, classic.local):
            server.status = 503
        director.until_weights({REMOTE: 0, LOCAL: 0, THIRD: 1})
        eventually(lambda: pool(director)["sorry_server_active"], bool)
        assert not pool(director)["quorum"]["met"]
        load.wait_for(5)
        assert ask(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) == "sorry"
        assert open_before.ask() == name
        with Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as with_sorry:
            assert with_sorry.ask() == "sorry"
            for server in (classic.remote, classic.local):
                server.status = 200
            eventually(lambda: director.weights()[THIRD], (0).__eq__)
            load.wait_for(5)
            assert with_sorry.ask() == "sorry", "what the sorry server has begun it may finish"
        director.until_weights({REMOTE: 1, LOCAL: 1})
    assert load.failures == []
    assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 4)) == {REMOTE_NAME, LOCAL_NAME}
    log = director.logged()
    assert "lost its quorum" in log
    assert "the sorry server takes the traffic" in log
    assert "the sorry server takes no more traffic" in log


RAMP = 12.0
"""Seconds of slow start."""
ROUND = 20
"""Questions of a client between two looks at the weight."""


def test_a_recovered_servers_share_climbs_with_slow_start(classic: ClassicNat, tmp_path: Path) -> None:
    text = shop(REMOTE, LOCAL, policy=f"slow_start: {RAMP:g}s", scheduler="wrr", weight=100)
    director = start(classic, tmp_path, text)
    assert director.weights() == {REMOTE: 100, LOCAL: 100}, "a first verdict at start is no recovery"
    classic.remote.status = 503
    director.until_weights({REMOTE: 0, LOCAL: 100})
    classic.remote.status = 200
    eventually(lambda: director.weights()[REMOTE], bool)
    halves: tuple[list[tuple[int, float]], ...] = ([], [])
    before = director.weights()[REMOTE]
    while before < 100:
        heard = names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, ROUND).count(REMOTE_NAME)
        after = director.weights()[REMOTE]
        due = ROUND * (before / (before + 100) + after / (after + 100)) / 2
        halves[before + after >= 100].append((heard, due))
        before = after
    director.until_weights({REMOTE: 100, LOCAL: 100})
    weights = [int(found) for found in re.findall(rf"edit {REMOTE} weight (\d+) in", director.logged())]
    climb = weights[weights.index(0) + 1 :]
    assert climb == sorted(climb), "it only climbs"
    assert climb[0] <= 20
    assert len(set(climb)) >= 5
    assert climb[-1] == 100
    for half in halves:
        (heard, due), asked = map(sum, zip(*half, strict=True)), ROUND * len(half)
        assert abs(heard - due) / asked < 0.10, f"{heard} of {asked}, not {due:.0f}, weights {climb}, {halves}"


def test_a_server_that_flaps_is_held_down_and_let_go(classic: ClassicNat, tmp_path: Path) -> None:
    policy = "flap_damping: {changes: 3, window: 10m, hold: 4s, longest: 1h}"
    director = start(classic, tmp_path, shop(REMOTE, LOCAL, policy=policy))
    for _ in range(2):
        classic.remote.status = 503
        director.until_weights({REMOTE: 0, LOCAL: 1})
        classic.remote.status = 200
        eventually(lambda: pool(director)["real_servers"][0]["health"], "up".__eq__)
    eventually(lambda: pool(director)["real_servers"][0]["held_until"], bool)
    assert director.weights() == {REMOTE: 0, LOCAL: 1}, "its checks pass, and it is held"
    assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 4)) == {LOCAL_NAME}
    director.until_weights({REMOTE: 1, LOCAL: 1})
    assert "is held down for 4s" in director.logged()
    assert "is held down no longer" in director.logged()


def test_the_last_server_takes_traffic_even_while_it_flaps(classic: ClassicNat, tmp_path: Path) -> None:
    policy = "flap_damping: {changes: 1, window: 10m, hold: 10m, longest: 1h}"
    director = start(classic, tmp_path, shop(REMOTE, policy=policy))
    for _ in range(2):
        classic.remote.status = 503
        director.until_weights({REMOTE: 0})
        classic.remote.status = 200
        director.until_weights({REMOTE: 1})
    try:
        assert ask(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) == REMOTE_NAME
    except NoAnswerError as error:
        raise AssertionError(director.logged()) from error
