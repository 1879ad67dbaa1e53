"""The whole API of a real director, both listeners, before a fuzzer that goes by their own openapi.json.

It sends what the document allows and what it does not: wrong methods, types, parameters and bodies. Whatever comes,
the answer is one that the document has, and never a fault of the director's own.
"""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.daemon.test_process import WebServer, free_port
from waiting import eventually

TOKEN = "an operator's secret"  # noqa: S105  nobody else's
PATIENCE = 60.0
EXAMPLES = "6"

HOOKS = """
from zlib import crc32

import schemathesis

THERE_ARE = {
    "name": ["shop", "spare", "icon-ok.svg"],
    "vs": ["shop", "shop", "spare"],
    "rs": ["web1", "web2", "SERVER", "127.0.0.1"],
    "host": ["127.0.0.1", "SERVER", "127.0.0.2"],
}


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    # Half of the names that it makes up stand for what there is.
    for name, made_up in (path_parameters or {}).items():
        known, number = THERE_ARE.get(name), crc32(str(made_up).encode())
        if known and made_up and number % 2:
            path_parameters[name] = known[number // 2 % len(known)]
    return path_parameters
"""

# A value may fit its schema and still be refused by a rule that JSON Schema has no words for: an address that is none,
# a duration of 0, a deadline of a drain that removes nothing.
SETTINGS = """
hooks = "hooks"
headers = {Authorization = "Bearer TOKEN"}

[generation]
codec = "ascii"

[checks]
positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 422]
ignored_auth.enabled = false
unsupported_method.enabled = true

[[operations]]
include-path = "/api/v1/real_servers"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400]
"""


class Running(NamedTuple):
    """A director that runs: its ports and its log."""

    listen: int
    admin: int
    server: str
    log: Path


def answered(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.fixture(scope="module")
def director(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("fuzz")
    web, listen, admin, log = WebServer(), free_port(), free_port(), folder / "log"
    token = folder / "token"
    token.write_text(TOKEN)
    file = folder / "healthlb.yaml"
    file.write_text(
        f"director: {{name: lb1, state_dir: {folder}/state}}\n"
        f"api: {{listen: '127.0.0.1:{listen}', admin: '127.0.0.1:{admin}', token_file: {token}}}\n"
        "checks:\n  web: {type: http, interval: 500ms, timeout: 5s, rise: 1, fall: 1}\n"
        "virtual_servers:\n"
        f"  shop: {{address: '127.0.0.9:80', check: web, sorry_server: '127.0.0.3:1', real_servers: [\n"
        f"    {{name: web1, address: '127.0.0.1:{web.port}'}}, {{name: web2, address: '127.0.0.2:1'}}]}}\n"
        f"  spare: {{fwmark: 7, check: web, scheduler: rr, real_servers: ['127.0.0.1:{web.port}']}}\n"
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "healthlb", "run", "--dry-run", "-c", str(file)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: answered(listen, "/readyz") or log.read_text(), lambda seen: seen == 200, deadline=PATIENCE)
        yield Running(listen, admin, f"127.0.0.1:{web.port}", log)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        web.stop()


@pytest.mark.parametrize(
    ("listener", "but"),
    [
        ("listen", ["--exclude-path", "/api/v1/live"]),  # that has no end
        # What both answer by the same code is asked of one.
        (
            "admin",
            [
                "--exclude-path-regex",
                "^/($|healthz|readyz|metrics|assets|api/v1/(status|virtual_servers|events|overview|live|rows|history)$)",
            ],
        ),
    ],
)
def test_whatever_is_asked_has_an_answer_that_the_document_has(
    director: Running, listener: str, but: list[str], tmp_path: Path
) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS.replace("SERVER", director.server))
    (tmp_path / "schemathesis.toml").write_text(SETTINGS.replace("TOKEN", TOKEN))
    port = getattr(director, listener)
    words = "run --phases examples,coverage,fuzzing --generation-deterministic --continue-on-failure --warnings off"
    found = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", *words.split(), "--max-examples", EXAMPLES, *but),
            f"http://127.0.0.1:{port}/api/v1/openapi.json",
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}", "PYTHONWARNINGS": "ignore"},
    )
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2000:]
    assert "met a fault of its own" not in director.log.read_text()
    assert answered(port, "/healthz") == 200


def test_commands_without_the_token_are_refused_as_the_document_says(director: Running) -> None:
    document = fetched(director.admin, "/api/v1/openapi.json")
    commands = [
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, each in methods.items()
        if each.get("security") == [{"token": []}]
    ]
    assert len(commands) == 16
    for method, path in commands:
        connection = http.client.HTTPConnection("127.0.0.1", director.admin, timeout=PATIENCE)
        connection.request(method, path.format(vs="shop", rs="web1", host="127.0.0.1", instance="VI_1"))
        assert connection.getresponse().status == 401
        connection.close()


def fetched(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return json.load(connection.getresponse())
    finally:
        connection.close()
