"""What each kind of notifier hears of a server that goes and comes, beside a real table and traffic."""

import json
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import BOOT_PATIENCE, Director
from receiver import PipeReader, Receiver
from traffic import Load
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
SERVICE = f"tcp {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}"
SLACK, ALERTS = 9101, 9102
KEEPALIVED = [
    f"RS [11.197.141.110]:tcp:18089 [{VIRTUAL_ADDRESS}]:tcp:{VIRTUAL_PORT} DOWN",
    f"VS [{VIRTUAL_ADDRESS}]:tcp:{VIRTUAL_PORT} DOWN",
    f"RS [11.197.141.110]:tcp:18089 [{VIRTUAL_ADDRESS}]:tcp:{VIRTUAL_PORT} UP",
    f"VS [{VIRTUAL_ADDRESS}]:tcp:{VIRTUAL_PORT} UP",
]
FILE = """
director: {{name: lb1, resync: 1s, sysctl: set}}
notifiers:
  team: {{type: webhook, preset: slack, url: 'http://{address}:{slack}/services/T0/B0', group: 500ms}}
  alerts: {{type: webhook, preset: alertmanager, url: 'http://{address}:{alerts}/api/v2/alerts', group: 500ms}}
  migrators: {{type: fifo, path: {folder}/fifo, group: 0}}
  runbook:
    type: command
    command: [/bin/sh, -c, 'id -un >{open}/user; env >>{open}/user; cat >>{open}/json']
    events: [real_server_down, real_server_up]
    group: 0
  script:
    type: command
    command: [/bin/sh, -c, 'cat >>{open}/lines']
    format: keepalived
    group: 0
virtual_servers:
  shop:
    address: {address}:{port}
    scheduler: rr
    quorum: {{up: 2}}
    check: {{type: http, path: /, interval: 300ms, timeout: 5s, rise: 1, fall: 2, fast_interval: 200ms}}
    real_servers: ['{remote}', '{local}']
"""


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """Yield a folder in which only the user that runs the programs of a director of root's may write."""
    with tempfile.TemporaryDirectory(dir="/run") as name:
        os.chown(name, pwd.getpwnam(user()).pw_uid, -1)
        yield Path(name)


def user() -> str:
    names = {each.pw_name for each in pwd.getpwall()}
    return "healthlb_script" if "healthlb_script" in names else "nobody"


def programs_heard(folder: Path) -> list[str]:
    """Return the names of the events that came to the program that wants JSON."""
    messages = [json.loads(line) for line in read(folder / "json").split("\n")[:-1]]
    return [event["name"] for message in messages for event in message["events"]]


def said(slack: Receiver) -> list[str]:
    return [body["text"] for body in slack.bodies]


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def latest(receiver: Receiver, name: str, instance: str) -> dict[str, Any]:
    """Return the latest alert of a name and an instance; it begins where it `startsAt`, and has ended where not."""
    alerts = [each for body in receiver.bodies for each in body]
    wanted = [each for each in alerts if each["labels"]["alertname"] == name and each["labels"]["instance"] == instance]
    return wanted[-1] if wanted else {}


def test_chat_alerts_pipes_and_programs_all_hear_of_a_server_that_goes_and_comes(
    classic: ClassicNat, tmp_path: Path, folder_of_nobody: Path
) -> None:
    slack = Receiver(classic.director, VIRTUAL_ADDRESS, SLACK)
    alerts = Receiver(classic.director, VIRTUAL_ADDRESS, ALERTS)
    director = Director(classic.director, tmp_path)
    given = {"address": VIRTUAL_ADDRESS, "port": VIRTUAL_PORT, "remote": REMOTE, "local": LOCAL}
    text = FILE.format(slack=SLACK, alerts=ALERTS, folder=tmp_path, open=folder_of_nobody, **given)
    pipe = PipeReader(classic.director, tmp_path / "fifo")
    director.start(text)
    director.ready()
    with Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load:
        load.wait_for(4)
        classic.remote.status = 503
        director.until_weights({REMOTE: 0, LOCAL: 1})
        eventually(lambda: latest(alerts, "QuorumLost", SERVICE), lambda each: "startsAt" in each)
        down = eventually(lambda: latest(alerts, "RealServerDown", REMOTE), lambda each: "startsAt" in each)
        classic.remote.status = 200
        director.until_weights({REMOTE: 1, LOCAL: 1})
        load.wait_for(4)
    assert load.failures == []
    assert set(load.answers) == {REMOTE_NAME, LOCAL_NAME}

    eventually(lambda: pipe.lines()[-4:], KEEPALIVED.__eq__, deadline=BOOT_PATIENCE)
    eventually(lambda: read(folder_of_nobody / "lines").splitlines()[-4:], KEEPALIVED.__eq__, deadline=BOOT_PATIENCE)

    up = eventually(lambda: latest(alerts, "RealServerDown", REMOTE), lambda each: "startsAt" not in each)
    eventually(lambda: latest(alerts, "QuorumLost", SERVICE), lambda each: "startsAt" not in each)
    assert down["labels"] == up["labels"]
    assert down["labels"]["virtual_server"] == "shop"
    assert "503" in down["annotations"]["summary"]
    assert {path for path, _ in alerts.posts} == {"/api/v2/alerts"}

    eventually(lambda: "".join(said(slack)), lambda text: "shop has its quorum" in text.partition("is DOWN")[2])
    assert all(set(body) == {"text"} for body in slack.bodies)
    down_there = next(text for text in said(slack) if "is DOWN" in text)
    assert down_there.startswith("*lb1*: shop: ")
    assert "status 503" in down_there
    assert "shop lost its quorum" in "".join(said(slack))

    eventually(lambda: programs_heard(folder_of_nobody)[-2:], ["real_server_down", "real_server_up"].__eq__)
    who, *environment = read(folder_of_nobody / "user").splitlines()
    assert who == user()
    assert "STATE_DIRECTORY" not in "\n".join(environment)
    shown = director.status()["director"]["notifiers"]
    assert [each["name"] for each in shown if each["failing"] or not each["sent_total"]] == []
    assert director.stop() == 0
    assert "services/T0" not in director.logged()
    assert "Traceback" not in director.logged()
