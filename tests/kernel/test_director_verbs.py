"""The command line by hand, beside a director that runs."""

import json
from pathlib import Path

import pytest

from classic import ClassicNat
from director import Director

REMOTE, LOCAL = "11.197.141.110:18089", "11.197.140.20:28089"


def shop(*real_servers: str, scheduler: str = "rr") -> str:
    return f"""
director: {{resync: 500ms}}
virtual_servers:
  shop:
    address: 11.197.140.20:18089
    scheduler: {scheduler}
    check: {{type: http, path: /, interval: 300ms, timeout: 5s, rise: 1, fall: 2, fast_interval: 100ms}}
    real_servers: [{", ".join(real_servers)}]
"""


@pytest.fixture
def director(classic: ClassicNat, tmp_path: Path) -> Director:
    running = Director(classic.director, tmp_path)
    running.start(shop(REMOTE, LOCAL))
    running.until_weights({REMOTE: 1, LOCAL: 1})
    return running


def test_plan_tells_what_a_reload_would_do_and_the_reload_does_that(classic: ClassicNat, director: Director) -> None:
    before = director.table()
    nothing = director.command("plan")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "nothing to change\n", "")

    after = shop(f"{{address: '{REMOTE}', weight: 5}}", "11.197.140.20:9", scheduler="wrr")
    director.write(after)
    some = director.command("plan")
    assert some.returncode == 2
    assert director.table() == before
    *operations, waiting = some.stdout.splitlines()
    assert waiting == "wait for the first verdict on shop: 11.197.140.20:9"
    told = json.loads(director.command("plan", "--json").stdout)
    assert (told["operations"], told["waiting"]) == (operations, ["shop: 11.197.140.20:9"])
    log = director.reload(after)
    assert [line.split("table: ")[1] for line in log.splitlines() if "table: " in line] == operations
    director.until_weights({REMOTE: 5, "11.197.140.20:9": 0})
    assert director.command("plan").returncode == 0


def test_status_and_probe_show_each_server_with_what_was_seen_of_it(
    classic: ClassicNat, director: Director, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    passed = director.command("probe", "shop", REMOTE)
    assert passed.returncode == 0
    assert f"http (http) to {REMOTE}: passed: 200 OK" in passed.stdout
    assert "GET / HTTP/1.1" in passed.stdout
    classic.remote.status = 503
    failed = director.command("probe", "shop", REMOTE, "--json")
    assert failed.returncode == 1
    (seen,) = json.loads(failed.stdout)
    assert (seen["target"], seen["passed"], seen["sent"]) == (REMOTE, False, True)
    assert "503" in seen["reason"]
    director.until_weights({REMOTE: 0, LOCAL: 1})
    status = director.command("status")
    assert status.returncode == 1
    told = {
        address: next(line for line in status.stdout.splitlines() if address in line.split())
        for address in ("11.197.140.20:18089", REMOTE, LOCAL)
    }
    assert " rr " in told["11.197.140.20:18089"]
    assert " DOWN " in told[REMOTE]
    assert "503" in told[REMOTE]
    assert " up " in told[LOCAL]
    assert "200 OK" in told[LOCAL]
    assert json.loads(director.command("status", "--json").stdout)["virtual_servers"][0]["state"] == "degraded"
