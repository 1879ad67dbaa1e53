"""A reload of a thousand virtual servers, one of them changed, under a client that never stops asking."""

from pathlib import Path

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, ClassicNat
from director import BOOT_PATIENCE, Director
from traffic import Connection, Load
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
SECOND_CLIENT = "11.197.140.51"
NUMBER, FIRST = 1000, 20000


def file(weights: dict[int, int]) -> str:
    """Return a file of a thousand virtual servers, all of weight 1 but for those named by their port."""
    servers = "".join(
        f"  shop{port}:\n"
        f"    address: {VIRTUAL_ADDRESS}:{port}\n"
        f"    scheduler: wrr\n"
        f"    check: web\n"
        f"    real_servers: ['{REMOTE}', {{address: '{LOCAL}', weight: {weights.get(port, 1)}}}]\n"
        for port in range(FIRST, FIRST + NUMBER)
    )
    check = "checks:\n  web: {type: http, path: /, interval: 2s, timeout: 10s, rise: 1, fall: 3}\n"
    return f"director: {{resync: 60s, sysctl: set}}\n{check}virtual_servers:\n{servers}"


def test_one_change_in_a_thousand_virtual_servers_fails_no_request(classic: ClassicNat, tmp_path: Path) -> None:
    classic.client.ip(f"address add {SECOND_CLIENT}/24 dev eth0")
    director = Director(classic.director, tmp_path)
    director.start(file({}))
    director.ready()
    # Looked at seldom: guest and director share one processor.
    eventually(director.logged, lambda log: log.count(" is up, was ") == NUMBER, deadline=3 * BOOT_PATIENCE, pause=0.5)
    changed, other = FIRST + 500, FIRST + 1
    eventually(lambda: director.weights_of(FIRST + NUMBER - 1), {REMOTE: 1, LOCAL: 1}.__eq__, deadline=BOOT_PATIENCE)
    with (
        Connection(classic.client, VIRTUAL_ADDRESS, changed) as connection,
        Load(classic.client, VIRTUAL_ADDRESS, changed) as load,
        Load(classic.client, VIRTUAL_ADDRESS, other, source=SECOND_CLIENT) as elsewhere,
    ):
        name = connection.ask()
        load.wait_for(10)
        log = director.reload(file({changed: 3}))
        director.until_rows(changed, {REMOTE: 1, LOCAL: 3})
        load.wait_for(10)
        elsewhere.wait_for(10)
        assert connection.ask() == name
    assert load.failures == elsewhere.failures == []
    assert set(load.answers) == set(elsewhere.answers) == {REMOTE_NAME, LOCAL_NAME}
    assert log.count("table: ") == 1, "one row was changed, and no other was touched"
    assert f"shop{changed}" in log
