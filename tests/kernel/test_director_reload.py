"""Reloads under load: a client that asks without a pause never sees a failure."""

from pathlib import Path

import pytest

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import Director
from traffic import Connection, Load, WebServer, names

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
SPARE, THIRD = "11.197.140.20:28090", "11.197.140.20:28091"
WEB = "{type: http, path: /, interval: 300ms, timeout: 5s, rise: 2, fall: 2, fast_interval: 100ms}"


def shop(*real_servers: str, name: str = "shop", check: str = WEB, scheduler: str = "rr", more: str = "") -> str:
    return f"""
director: {{resync: 500ms, sysctl: set}}
virtual_servers:
  {name}:
    address: {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}
    scheduler: {scheduler}
    check: {check}
    real_servers: [{", ".join(real_servers)}]
{more}
"""


def weighed(address: str, weight: int) -> str:
    return f"{{address: '{address}', weight: {weight}}}"


@pytest.fixture
def director(classic: ClassicNat, tmp_path: Path) -> Director:
    WebServer(classic.director, "11.197.140.20", 28090, "spare")
    WebServer(classic.director, "11.197.140.20", 28091, "third")
    running = Director(classic.director, tmp_path)
    running.start(shop(REMOTE, LOCAL))
    running.until_weights({REMOTE: 1, LOCAL: 1})
    return running


def test_no_request_fails_while_the_file_is_edited_in_every_way(classic: ClassicNat, director: Director) -> None:
    with (
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as one,
        Connection(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as two,
        Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load,
    ):
        by_name = {one.ask(): one, two.ask(): two}

        def edit(text: str, weights: dict[str, int]) -> None:
            assert "reload refused" not in director.reload(text)
            director.until_weights(weights)
            load.wait_for(10)

        edit(shop(REMOTE, LOCAL, SPARE), {REMOTE: 1, LOCAL: 1, SPARE: 1})
        edit(shop(REMOTE, weighed(LOCAL, 3), SPARE), {REMOTE: 1, LOCAL: 3, SPARE: 1})
        edit(shop(REMOTE, LOCAL, SPARE, scheduler="wrr"), {REMOTE: 1, LOCAL: 1, SPARE: 1})
        # A new check is a new question: its servers stay as they are until it has been answered.
        changed = WEB.replace("path: /,", "path: /healthz,")
        edit(shop(REMOTE, LOCAL, SPARE, check=changed), {REMOTE: 1, LOCAL: 1, SPARE: 1})
        edit(shop(REMOTE, LOCAL, SPARE, check=changed, name="store"), {REMOTE: 1, LOCAL: 1, SPARE: 1})
        refusal = director.reload(shop(REMOTE, "11.197.141.110:70000"))
        assert "reload refused" in refusal
        assert "70000" in refusal
        edit(shop(REMOTE, LOCAL, weighed(SPARE, 0)), {REMOTE: 1, LOCAL: 1, SPARE: 0})
        edit(shop(REMOTE, LOCAL), {REMOTE: 1, LOCAL: 1})
        own = director.table()
        other = f"  other: {{address: '{VIRTUAL_ADDRESS}:81', check: {WEB}, real_servers: ['{LOCAL}']}}"
        assert "reload refused" not in director.reload(shop(REMOTE, LOCAL, more=other))
        director.until(*own, "-A -t 11.197.140.20:81 -s wlc", f"-a -t 11.197.140.20:81 -r {LOCAL} -m -w 1")
        assert "reload refused" not in director.reload(shop(REMOTE, LOCAL))
        director.until(*own)
        load.wait_for(10)
        for name, connection in by_name.items():
            assert connection.ask() == name
    assert load.failures == []
    assert set(load.answers) == {REMOTE_NAME, LOCAL_NAME, "spare"}
    assert "is DOWN" not in director.logged()


def test_servers_that_are_all_replaced_serve_until_the_new_ones_are_well(
    classic: ClassicNat, director: Director
) -> None:
    with Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, pause=0.001) as load:
        load.wait_for(10)
        director.reload(shop(SPARE, THIRD))
        director.until_weights({SPARE: 1, THIRD: 1})
        load.wait_for(10)
        assert set(names(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 4)) == {"spare", "third"}
    # The one question that may be under way on a server when its row goes is lost with it; nothing else is.
    assert len(load.failures) <= 1
