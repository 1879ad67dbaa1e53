"""A thousand events at once: the table follows, the journal has them all, and no receiver delays anybody."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, ClassicNat
from director import BOOT_PATIENCE, Director
from receiver import DeafReceiver, Receiver
from traffic import Load
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
NUMBER, FIRST = 500, 20000
DEAF, REFUSING, WORKING = 9101, 9102, 9103
MOST_WAITING = 5
TELLING = ("real_server_down", "real_server_up", "virtual_server_changed")
NOTIFIERS = f"""
notifiers:
  deaf: {{type: webhook, url: 'http://{VIRTUAL_ADDRESS}:{DEAF}/', group: 0, queue: {MOST_WAITING}, timeout: 2s}}
  refused: {{type: webhook, url: 'http://{VIRTUAL_ADDRESS}:{REFUSING}/', group: 0, queue: {MOST_WAITING}}}
  oncall: {{type: webhook, url: 'http://{VIRTUAL_ADDRESS}:{WORKING}/'}}
"""


def file() -> str:
    """Return a file of 500 virtual servers that share two real servers, each probed once for all of them."""
    servers = "".join(
        f"  shop{port}:\n"
        f"    address: {VIRTUAL_ADDRESS}:{port}\n"
        f"    scheduler: rr\n"
        f"    check: web\n"
        f"    real_servers: ['{REMOTE}', '{LOCAL}']\n"
        for port in range(FIRST, FIRST + NUMBER)
    )
    check = "{type: http, path: /, interval: 1s, timeout: 10s, rise: 1, fall: 2, fast_interval: 200ms}"
    return f"director: {{resync: 60s, sysctl: set}}\nchecks: {{web: {check}}}\n{NOTIFIERS}virtual_servers:\n{servers}"


def events(director: Director, after: int) -> list[dict[str, Any]]:
    """Return every event after one, page by page."""
    found: list[dict[str, Any]] = []
    while page := json.loads(director.get(f"/api/v1/events?limit=1000&after={after}")[1])["events"]:
        found += page
        after = page[-1]["id"]
    return found


def counts(events: list[dict[str, Any]]) -> Counter[str]:
    """Count by name the events that tell of servers."""
    return Counter(each["name"] for each in events if each["name"] in TELLING)


def states(director: Director) -> Counter[str]:
    return Counter(each["state"] for each in director.status()["virtual_servers"])


def remote_weights(director: Director) -> Counter[int]:
    rows = [line.split() for line in director.table() if line.startswith("-a")]
    return Counter(int(words[-1]) for words in rows if REMOTE in words)


def fares(director: Director) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in director.status()["director"]["notifiers"]}


def metrics(director: Director, name: str) -> dict[str, float]:
    """Return a metric's values by notifier."""
    lines = [line for line in director.get("/metrics")[1].splitlines() if line.startswith(f"{name}{{")]
    return {line.split('notifier="')[1].split('"')[0]: float(line.rsplit(" ", 1)[1]) for line in lines}


def test_a_thousand_events_at_once_are_all_kept_and_told_in_few_messages_whoever_is_deaf(
    classic: ClassicNat, tmp_path: Path
) -> None:
    DeafReceiver(classic.director, VIRTUAL_ADDRESS, DEAF)
    oncall = Receiver(classic.director, VIRTUAL_ADDRESS, WORKING)
    director = Director(classic.director, tmp_path)
    director.start(file())
    director.ready()
    eventually(lambda: states(director), {"up": NUMBER}.__eq__, deadline=BOOT_PATIENCE)
    before = events(director, 0)[-1]["id"]
    messages = len(oncall.bodies)
    with Load(classic.client, VIRTUAL_ADDRESS, FIRST) as load:
        load.wait_for(4)
        classic.remote.status = 503
        eventually(lambda: remote_weights(director), {0: NUMBER}.__eq__, deadline=BOOT_PATIENCE)
        load.wait_for(10)
        classic.remote.status = 200
        eventually(lambda: remote_weights(director), {1: NUMBER}.__eq__, deadline=BOOT_PATIENCE)
        eventually(lambda: states(director), {"up": NUMBER}.__eq__, deadline=BOOT_PATIENCE)
        load.wait_for(10)
    assert load.failures == []
    assert set(load.answers) == {REMOTE_NAME, LOCAL_NAME}

    kept = events(director, before)
    assert [each["id"] for each in kept] == list(range(before + 1, before + 1 + len(kept))), "none is missing"
    names = counts(kept)
    assert names == {"real_server_down": NUMBER, "real_server_up": NUMBER, "virtual_server_changed": 2 * NUMBER}
    assert director.status()["director"]["journal"]["dropped_total"] == 0

    def heard() -> Counter[str]:
        return counts([each for each in oncall.events() if each["id"] > before])

    eventually(heard, names.__eq__, deadline=BOOT_PATIENCE)
    assert (len(oncall.bodies) - messages) * 50 < len(kept), "one message tells of many events"

    statuses = fares(director)
    for name in ("deaf", "refused"):
        assert statuses[name]["waiting"] <= MOST_WAITING + 2
        assert statuses[name]["sent_total"] == 0
        assert statuses[name]["dropped_total"] >= 2 * NUMBER - MOST_WAITING - 2
        assert metrics(director, "healthlb_notifier_dropped_messages_total")[name] >= statuses[name]["dropped_total"]
    assert "timed out" in eventually(lambda: fares(director)["deaf"]["failing"], bool)
    assert "refused" in statuses["refused"]["failing"]
    assert statuses["oncall"]["failing"] is None
    assert statuses["oncall"]["dropped_total"] == statuses["oncall"]["failed_total"] == 0
    assert director.stop() == 0
    assert "Traceback" not in director.logged()
