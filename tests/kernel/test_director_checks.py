"""A pool whose servers have an agent, an HTTP and a script check each, and what a client sees of what they say."""

from collections import Counter
from pathlib import Path
from typing import Any

from agent import AGENT_PORT, Agent
from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from tests.interop.files import open_folder
from traffic import Connection
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
CONNECTIONS = 12
"""A multiple of the connections in a round of wrr, with weights 4 and 4, or 2 and 4."""
SHOP = f"""
director: {{resync: 500ms}}
checks:
  page: {{type: http, path: /healthz, interval: 300ms, timeout: 5s, rise: 1, fall: 2}}
  load: {{type: agent, port: {AGENT_PORT}, interval: 300ms, timeout: 5s, rise: 1, fall: 2}}
  disk:
    type: script
    command: [sh, -c, 'cat "$0"; ! grep -q CRITICAL "$0"', 'FOLDER/{{real_server}}']
    exit_codes: plain
    interval: 300ms
    timeout: 20s
    rise: 1
    fall: 2
virtual_servers:
  shop:
    address: {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}
    scheduler: wrr
    weight: 4
    check: [page, load, disk]
    real_servers:
      - {{address: {REMOTE}, name: {REMOTE_NAME}}}
      - {{address: {LOCAL}, name: {LOCAL_NAME}}}
"""


def shares(classic: ClassicNat) -> dict[str, int]:
    """Return how many of a client's connections came to whom."""
    found = Counter[str]()
    for _ in range(CONNECTIONS):
        with Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as connection:
            found[connection.ask()] += 1
    return dict(found)


def remote(director: Director) -> Any:
    """Return the status of the server behind the director."""
    return director.status()["virtual_servers"][0]["real_servers"][0]


def test_a_client_s_share_follows_what_agent_page_and_script_say_of_a_server(
    classic: ClassicNat, tmp_path: Path
) -> None:
    agent = Agent(classic.remote.machine, "up")
    Agent(classic.director, "up 100%")
    director = Director(classic.director, tmp_path)
    with open_folder() as folder:
        for name in (REMOTE_NAME, LOCAL_NAME):
            (folder / name).write_text("disks fine\n")
        director.start(SHOP.replace("FOLDER", str(folder)))
        director.until_weights({REMOTE: 4, LOCAL: 4})
        assert shares(classic) == {REMOTE_NAME: 6, LOCAL_NAME: 6}

        agent.word = "50%"
        director.until_weights({REMOTE: 2, LOCAL: 4})
        assert shares(classic) == {REMOTE_NAME: 4, LOCAL_NAME: 8}

        classic.remote.status = 503
        director.until_weights({REMOTE: 0, LOCAL: 4})
        assert shares(classic) == {LOCAL_NAME: CONNECTIONS}
        page = remote(director)["checks"][0]
        assert page["last_failure"]["reason"] == "status 503, expected 200-299"
        assert page["last_failure"]["evidence"]["sent"].startswith("GET /healthz HTTP/1.1")
        assert page["last_failure"]["evidence"]["received"].startswith("HTTP/1.1 503 ")

        classic.remote.status = 200
        director.until_weights({REMOTE: 2, LOCAL: 4})
        (folder / REMOTE_NAME).write_text("CRITICAL: sda1 is full\n")
        director.until_weights({REMOTE: 0, LOCAL: 4})
        assert shares(classic) == {LOCAL_NAME: CONNECTIONS}
        assert "disk exit status 1: CRITICAL: sda1 is full" in " ".join(director.command("status").stdout.split())

        (folder / REMOTE_NAME).write_text("disks fine\n")
        director.until_weights({REMOTE: 2, LOCAL: 4})
        agent.word = "maint"
        director.until_weights({REMOTE: 0, LOCAL: 4})
        assert shares(classic) == {LOCAL_NAME: CONNECTIONS}
        assert remote(director)["health"] == "up"

        agent.word = "ready 100%"
        director.until_weights({REMOTE: 4, LOCAL: 4})
        assert shares(classic) == {REMOTE_NAME: 6, LOCAL_NAME: 6}
        eventually(lambda: remote(director)["admin"], "enabled".__eq__)
