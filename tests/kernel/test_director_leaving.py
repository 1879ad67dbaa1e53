"""A server that leaves the file while it has connections, through real traffic and a crash of the director."""

from pathlib import Path

from classic import VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from traffic import Connection
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
AT = f"address: {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}"
TCP = "check: {type: tcp, interval: 300ms, timeout: 5s, rise: 1}"


def shop(folder: Path, *servers: str) -> str:
    return (
        f"director: {{resync: 500ms, state_dir: {folder}/state}}\n"
        f"virtual_servers: {{shop: {{{AT}, scheduler: rr, {TCP}, drain_timeout: 60s, "
        f"real_servers: [{', '.join(servers)}]}}}}\n"
    )


def answers(classic: ClassicNat) -> str:
    with Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as connection:
        return connection.ask()


def test_a_server_that_left_the_file_finishes_its_connections_though_the_director_is_killed_meanwhile(
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
