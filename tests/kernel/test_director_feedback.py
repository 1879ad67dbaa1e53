"""What a server says of its own weight, through a real table: a share, a drain, and back."""

from pathlib import Path

from agent import AGENT_PORT, Agent
from classic import VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from traffic import Connection
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
SHOP = f"""
director: {{resync: 500ms}}
virtual_servers:
  shop:
    address: {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}
    scheduler: wrr
    weight: 4
    real_servers:
      - address: {REMOTE}
        check: {{type: agent, port: {AGENT_PORT}, interval: 200ms, timeout: 5s, rise: 1, fall: 2}}
      - address: {LOCAL}
        check: {{type: tcp, interval: 300ms, timeout: 5s, rise: 1}}
"""


def admin(director: Director) -> str:
    (pool,) = director.status()["virtual_servers"]
    state: str = pool["real_servers"][0]["admin"]
    return state


def test_an_agents_half_halves_the_weight_its_drain_empties_it_and_ready_gives_it_back(
    classic: ClassicNat, tmp_path: Path
) -> None:
    agent = Agent(classic.remote.machine, "up")
    director = Director(classic.director, tmp_path)
    director.start(SHOP)
    director.until_weights({REMOTE: 4, LOCAL: 4})

    agent.word = "50%"
    director.until_weights({REMOTE: 2, LOCAL: 4})

    with (
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as first,
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as second,
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as third,
    ):
        names = [each.ask() for each in (first, second, third)]
        assert len(set(names)) == 2, "both servers have a connection open"
        agent.word = "drain"
        director.until_weights({REMOTE: 0, LOCAL: 4})
        eventually(lambda: admin(director), "draining".__eq__)
        assert [each.ask() for each in (first, second, third)] == names
    eventually(lambda: admin(director), "drained".__eq__)
    (pool,) = director.status()["virtual_servers"]
    assert pool["state"] == "up", "a server that drains itself is no failure"
    assert pool["real_servers"][0]["health"] == "up"
    assert pool["real_servers"][0]["weight"]["chain"] == ["4", "50 % (agent)", "drain (agent)"]
    said = director.command("status").stdout
    assert "drained" in said
    assert "4 -> 50 % (agent) -> drain (agent)" in said
    assert "nothing to change" in director.command("plan").stdout

    agent.word = "ready"
    director.until_weights({REMOTE: 2, LOCAL: 4})
    agent.word = "100%"
    director.until_weights({REMOTE: 4, LOCAL: 4})
    log = director.logged()
    assert "is drained: agent: the agent says drain" in log
    assert "has weight 2, was 4: agent: the agent says 50%" in log
    assert log.count("is drained: ") == 1
