"""Reloads held to a limit, asked for by command and by changed files, under a client that never stops asking."""

import json
import signal
from pathlib import Path

import pytest

from classic import LOCAL_NAME, REMOTE_NAME, VIRTUAL_ADDRESS, VIRTUAL_PORT, ClassicNat
from director import BOOT_PATIENCE, Director
from traffic import Load, WebServer
from waiting import eventually

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"
SPARE, THIRD = "11.197.140.20:28090", "11.197.140.20:28091"
ALL = (REMOTE, LOCAL, SPARE, THIRD)
SHOP = """
  {name}:
    address: {address}:{port}
    scheduler: rr
    drain_timeout: 30s
    check: {{type: http, path: /, interval: 300ms, timeout: 5s, rise: 1, fall: 3}}
    real_servers: [{servers}]
"""


def pool(*servers: str, name: str = "shop", port: int = VIRTUAL_PORT) -> str:
    return SHOP.format(name=name, address=VIRTUAL_ADDRESS, port=port, servers=", ".join(servers))


def shop(*servers: str, most: str = "30%") -> str:
    return f"director: {{resync: 1s, sysctl: set, max_reload_change: {most}}}\nvirtual_servers:\n{pool(*servers)}"


@pytest.fixture
def director(classic: ClassicNat, tmp_path: Path) -> Director:
    """Return a director that does not run yet, beside four servers that do."""
    WebServer(classic.director, VIRTUAL_ADDRESS, 28090, "spare")
    WebServer(classic.director, VIRTUAL_ADDRESS, 28091, "third")
    return Director(classic.director, tmp_path)


def test_a_reload_that_takes_out_too_much_is_refused_untouched_until_it_is_forced(
    classic: ClassicNat, director: Director
) -> None:
    director.start(shop(*ALL))
    director.until_weights(dict.fromkeys(ALL, 1))
    table = director.table()
    with Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load:
        load.wait_for(8)
        # A file that was cut short does not bring its own limit along.
        director.write(shop(REMOTE, LOCAL, most="100%"))
        refused = director.command("reload", "--wait")
        assert refused.returncode == 1, refused
        assert "takes out 50 % of the live weight, max_reload_change allows 30 %" in refused.stdout + refused.stderr
        assert SPARE in refused.stdout + refused.stderr
        assert director.table() == table
        assert "takes out 50 %" in director.status()["director"]["config"]["refused"]
        said = director.logged()
        assert "reload plan: 2 operations, no first verdict to wait for; takes out 50 % of the live weight" in said
        assert f"reload plan: edit {SPARE} weight 0 in tcp {VIRTUAL_ADDRESS}:{VIRTUAL_PORT}" in said
        assert "reload refused" in said
        before = said.count("reload refused")
        director.tell(signal.SIGHUP)
        eventually(lambda: director.logged().count("reload refused"), (before + 1).__eq__, deadline=BOOT_PATIENCE)
        assert director.table() == table
        planned = director.command("plan", "--limit", "30%")
        assert planned.returncode == 1, planned
        assert "with max_reload_change 30 % it needs --force" in planned.stdout
        assert director.command("plan", "--limit", "50%").returncode == 2
        assert director.table() == table

        director.write(shop(REMOTE, LOCAL))
        forced = director.command("reload", "--wait", "--force", "--why", "they are sold")
        assert forced.returncode == 0, forced
        director.until_weights({REMOTE: 1, LOCAL: 1})
        assert "(they are sold)" in director.logged()
        assert director.status()["director"]["config"]["refused"] is None
        load.wait_for(8)
    assert load.failures == []
    assert set(load.answers) == {REMOTE_NAME, LOCAL_NAME, "spare", "third"}


def test_the_exit_status_of_reload_says_what_became_of_it(classic: ClassicNat, director: Director) -> None:
    director.write(shop(*ALL))
    assert director.command("reload", "--wait").returncode == 1, "there is no director"
    director.start()
    director.until_weights(dict.fromkeys(ALL, 1))
    with Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load:
        director.write(shop(*ALL).replace("rr", "wrr"))
        good = director.command("reload", "--wait", "--json")
        assert good.returncode == 0, good
        assert json.loads(good.stdout)["changes"] == ["shop: settings changed"]
        director.write(shop(REMOTE, "11.197.141.110:70000"))
        # Who names no file asks the director where it is by default; the named one would be found faulty before that.
        there = ("--url", f"unix:{director.file.parent}/admin.sock")
        bad = director.command("reload", "--wait", *there)
        assert bad.returncode == 1, bad
        assert "70000" in bad.stdout + bad.stderr
        assert director.command("reload", *there).returncode == 0, "it is asked for, whatever becomes of it"
        named = director.command("reload", "--wait")
        assert named.returncode == 2, named
        assert "70000" in named.stderr
        assert director.weights() == dict.fromkeys(ALL, 1)
        load.wait_for(8)
    assert load.failures == []


def test_a_changed_include_is_put_in_force_by_itself_once_it_is_sound(
    classic: ClassicNat, director: Director, tmp_path: Path
) -> None:
    included = tmp_path / "conf.d"
    included.mkdir()

    def include(name: str, text: str) -> None:
        """Put a file in its place as a config manager does."""
        unfinished = tmp_path / "unfinished"
        unfinished.write_text(text)
        unfinished.replace(included / name)

    include("shop.yaml", f"virtual_servers:\n{pool(REMOTE, LOCAL)}")
    director.start("director: {resync: 1s, sysctl: set, watch: true}\ninclude: [conf.d/*.yaml]\n")
    director.until_weights({REMOTE: 1, LOCAL: 1})
    with Load(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load:
        include("shop.yaml", f"virtual_servers:\n{pool(REMOTE, LOCAL, SPARE)}")
        director.until_weights({REMOTE: 1, LOCAL: 1, SPARE: 1})
        assert "in force, by a changed file" in director.logged()
        (included / "shop.yaml").write_text(f"virtual_servers:\n{pool(REMOTE)[:-30]}")
        eventually(director.logged, lambda log: "reload refused" in log, deadline=BOOT_PATIENCE)
        assert director.weights() == {REMOTE: 1, LOCAL: 1, SPARE: 1}
        include("shop.yaml", f"virtual_servers:\n{pool(REMOTE, LOCAL)}")
        include("other.yaml", f"virtual_servers:\n{pool(THIRD, name='other', port=81)}")
        director.until_weights({REMOTE: 1, LOCAL: 1, THIRD: 1})
        load.wait_for(8)
    assert load.failures == []
    assert director.logged().count("reload refused") == 1
