"""Policy through real traffic: who leaves the file finishes what it began, and a sorry server stands in and down."""

from pathlib import Path

from agent import AGENT_PORT, Agent
from classic import VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from traffic import Connection
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
AT = f"address: {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}"
TCP = "check: {type: tcp, interval: 300ms, timeout: 5s, rise: 1}"
AGENT = f"check: {{type: agent, port: {AGENT_PORT}, interval: 200ms, timeout: 5s, rise: 1, fall: 1}}"


def shop(folder: Path, *servers: str, more: str = "") -> str:
    return (
        f"director: {{resync: 500ms, state_dir: {folder}/state}}\n"
        f"virtual_servers: {{shop: {{{AT}, scheduler: rr, {TCP}, drain_timeout: 60s, {more} "
        f"real_servers: [{', '.join(servers)}]}}}}\n"
    )


def answers(classic: ClassicNat) -> str:
    with Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as connection:
        return connection.ask()


def test_a_server_that_leaves_the_file_finishes_its_connections_and_gets_no_new_ones(
    classic: ClassicNat, tmp_path: Path
) -> None:
    director = Director(classic.director, tmp_path)
    director.start(shop(tmp_path, REMOTE, LOCAL))
    director.until_weights({REMOTE: 1, LOCAL: 1})
    with (
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as first,
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as second,
    ):
        names = [first.ask(), second.ask()]
        assert len(set(names)) == 2, "both servers have a connection open"
        director.reload(shop(tmp_path, LOCAL))
        director.until_weights({REMOTE: 0, LOCAL: 1})
        assert len({answers(classic) for _ in range(6)}) == 1, "only the server that stayed gets new connections"
        (pool,) = director.status()["virtual_servers"]
        assert [each["address"] for each in pool["leaving"]] == [REMOTE]
        assert [first.ask(), second.ask()] == names
        eventually((tmp_path / "state" / "health.json").exists, bool)
        director.kill()
        director.start()
        director.ready()
        assert director.weights() == {REMOTE: 0, LOCAL: 1}, director.logged()
        assert [first.ask(), second.ask()] == names
    director.until_weights({LOCAL: 1})


def test_a_sorry_server_answers_while_the_pool_cannot_and_no_longer(classic: ClassicNat, tmp_path: Path) -> None:
    agent = Agent(classic.remote.machine, "up")
    director = Director(classic.director, tmp_path)
    director.start(shop(tmp_path, f"{{address: '{REMOTE}', {AGENT}}}", more=f"sorry_server: {{address: '{LOCAL}'}},"))
    director.until_weights({REMOTE: 1})
    own = answers(classic)

    agent.word = "down"
    director.until_weights({REMOTE: 0, LOCAL: 1})
    assert answers(classic) != own
    (pool,) = director.status()["virtual_servers"]
    assert (pool["state"], pool["sorry_server_active"]) == ("down", True)

    agent.word = "up"
    director.until_weights({REMOTE: 1})
    assert answers(classic) == own
    eventually(lambda: director.status()["virtual_servers"][0]["sorry_server_active"], lambda active: not active)
