"""Persistent clients, and the kernel settings that they and removed servers rest on."""

from pathlib import Path

import pytest

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from traffic import Connection, NoAnswerError, ask
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/vs/expire_nodest_conn": "1",
    "net/ipv4/vs/expire_quiescent_template": "1",
}


def shop(director: str, pool: str) -> str:
    return f"""
director: {{resync: 500ms, {director}}}
virtual_servers:
  shop:
    address: {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}
    scheduler: rr
    {pool}
    check: {{type: http, interval: 300ms, timeout: 5s, rise: 1, fall: 2, fast_interval: 100ms}}
    real_servers: [{REMOTE}, {LOCAL}]
"""


def settings(classic: ClassicNat) -> dict[str, str]:
    return {name: classic.director.run("cat", f"/proc/sys/{name}").strip() for name in SETTINGS}


def test_a_persistent_client_sticks_to_its_server_and_leaves_it_when_it_is_sick(
    classic: ClassicNat, tmp_path: Path
) -> None:
    client, servers = classic.client, {REMOTE_NAME: classic.remote, LOCAL_NAME: classic.local}
    client.ip("address add 11.197.140.51/24 dev eth0", "address add 11.197.140.151/24 dev eth0")

    def answering(source: str, count: int = 3) -> set[str]:
        return {ask(client, VIRTUAL_ADDRESS, VIRTUAL_PORT, source=source) for _ in range(count)}

    director = Director(classic.director, tmp_path)
    director.start(shop("sysctl: set", "persistence: {timeout: 300s, netmask: 255.255.255.128}"))
    director.until_weights({REMOTE: 1, LOCAL: 1})
    assert director.table()[0] == "-A -t 11.197.140.20:18089 -s rr -p 300 -M 255.255.255.128"
    (before,) = answering("11.197.140.50")
    assert answering("11.197.140.51") == {before}
    (other,) = answering("11.197.140.151")
    assert other != before

    servers[before].status = 503
    director.until_weights({REMOTE: int(before != REMOTE_NAME), LOCAL: int(before != LOCAL_NAME)})
    assert answering("11.197.140.50") == answering("11.197.140.51") == {other}
    servers[before].status = 200
    director.until_weights({REMOTE: 1, LOCAL: 1})
    assert answering("11.197.140.50") == {other}


def test_the_file_can_have_the_kernel_settings_ignored_checked_or_set(classic: ClassicNat, tmp_path: Path) -> None:
    pool = "persistence: {timeout: 60s}\n    on_failure: remove"
    unset = dict.fromkeys(SETTINGS, "0")
    classic.director.sysctl({name.replace("/", "."): "0" for name in SETTINGS})
    director = Director(classic.director, tmp_path)
    director.start(shop("sysctl: ignore", pool))
    assert director.status()["director"]["warnings"] == []

    director.reload(shop("sysctl: check", pool))
    # The configuration is in force before the director looks around.
    warnings = eventually(lambda: director.status()["director"]["warnings"], bool)
    for name in SETTINGS:
        mend = f"set it with 'sysctl -w {name.replace('/', '.')}=1'"
        assert [mend in warning for warning in warnings].count(True) == 1
        assert mend in director.logged()
    assert settings(classic) == unset

    director.reload(shop("sysctl: set", pool))
    eventually(lambda: settings(classic), SETTINGS.__eq__)
    eventually(lambda: director.status()["director"]["warnings"], [].__eq__)


def test_a_sick_server_that_is_removed_loses_its_connections_at_once_and_returns_when_it_is_well(
    classic: ClassicNat, tmp_path: Path
) -> None:
    director = Director(classic.director, tmp_path)
    director.start(shop("sysctl: set", "on_failure: remove"))
    director.until_weights({REMOTE: 1, LOCAL: 1})
    with (
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as one,
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as two,
    ):
        by_name = {one.ask(): one, two.ask(): two}
        classic.remote.status = 503
        director.until_weights({LOCAL: 1})
        with pytest.raises(NoAnswerError, match="reset"):
            by_name[REMOTE_NAME].ask()
        assert by_name[LOCAL_NAME].ask() == LOCAL_NAME
    classic.remote.status = 200
    director.until_weights({REMOTE: 1, LOCAL: 1})
    answering = {ask(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) for _ in range(2)}
    assert answering == {REMOTE_NAME, LOCAL_NAME}


def test_without_the_setting_a_removed_servers_connections_hang_and_live_again_when_it_returns(
    classic: ClassicNat, tmp_path: Path
) -> None:
    director = Director(classic.director, tmp_path)
    director.start(shop("sysctl: check", "on_failure: remove"))
    director.until_weights({REMOTE: 1, LOCAL: 1})
    assert any("hang" in warning for warning in director.status()["director"]["warnings"])
    with (
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as one,
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as two,
    ):
        hanging = one if one.ask() == REMOTE_NAME else two

        def answer() -> str | None:
            try:
                return hanging.ask()
            except NoAnswerError:
                return None

        assert two.ask() != one.ask()
        classic.remote.status = 503
        director.until_weights({LOCAL: 1})
        hanging.lose_patience(1.0)
        with pytest.raises(NoAnswerError, match="timed out"):
            hanging.ask()
        classic.remote.status = 200
        director.until_weights({REMOTE: 1, LOCAL: 1})
        eventually(answer, lambda name: name == REMOTE_NAME)
