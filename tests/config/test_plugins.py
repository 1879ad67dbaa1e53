"""Check types of other packages: as good as built in, and harmless where they are broken."""

import json
import os
import re
import socketserver
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import plugin
from checks import registry
from healthlb.config import plugins, prepared, reference
from healthlb.config.faults import ConfigError
from healthlb.config.json_schema import json_schema
from healthlb.config.loader import Loader
from ports import free_port
from waiting import eventually

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "plugins.md").read_text()
[EXAMPLE] = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution into a folder of its own on the path: its modules, and what it registers."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def one(name: str, entries: str, **modules: str) -> Path:
        place = plugin.install(tmp_path, name, entries, **modules)
        monkeypatch.syspath_prepend(str(place))
        return place

    yield one
    for name in set(sys.modules) - before:
        if name.startswith(("healthlb_pong", "other")):
            del sys.modules[name]


@pytest.fixture
def pong(install: Install) -> Path:
    return install("healthlb-pong", "pong = healthlb_pong:Pong", healthlb_pong=EXAMPLE)


def file(folder: Path, check: str) -> str:
    path = folder / "healthlb.yaml"
    path.write_text(
        f"virtual_servers:\n  shop:\n    address: 127.0.0.9:80\n    check: {check}\n    real_servers: ['127.0.0.1:9']\n"
    )
    return str(path)


def fault(folder: Path, check: str) -> str:
    with pytest.raises(ConfigError) as caught:
        Loader(file(folder, check), environ={}).load()
    [line] = str(caught.value).splitlines()
    return line.removeprefix(f"{folder}/")


def a_class(body: str, decorator: str = "@dataclass(frozen=True, slots=True)", base: str = "Check") -> str:
    return (
        "from dataclasses import dataclass\nfrom typing import ClassVar\nfrom checks import Check\n"
        "from checks.options import Integer, option\n\n"
        f'{decorator}\nclass Other({base}):\n    """Another."""\n    type: ClassVar[str] = "other"\n{body}\n'
    )


def test_the_guides_example_is_validated_and_told_like_a_built_in_type(pong: Path, tmp_path: Path) -> None:
    config = Loader(file(tmp_path, "{type: pong, word: HELLO, fall: 2}"), environ={}).load()
    [server] = config.virtual_servers["shop"].real_servers
    check = server.probes[0].check
    assert (check.type, check.schedule.fall, check.conversation.word) == ("pong", 2, "HELLO")  # type: ignore[attr-defined]
    assert fault(tmp_path, "{type: pong, word: hello}") == (
        "healthlb.yaml:4:31: virtual_servers.shop.check.word: expected a word of up to 16 capitals, found 'hello'"
    )
    assert "; did you mean 'word'?" in fault(tmp_path, "{type: pong, wrod: HELLO}")
    assert "there is no check type 'pomg'; did you mean 'pong'?" in fault(tmp_path, "{type: pomg}")
    options = json_schema()["$defs"]["Check.pong"]["properties"]
    assert options["word"]["default"] == "PING"
    assert {"interval", "tls", "source"} <= set(options)
    assert "## pong\n" in reference.markdown()
    assert "pong" in {each.type for each in prepared.check_references()}
    assert "Check.pong" in prepared.schema_text()
    assert plugins.conflicts() == plugins.broken() == ()


def test_a_file_that_does_not_name_a_broken_type_is_unaffected_and_none_of_its_code_is_run(
    install: Install, tmp_path: Path
) -> None:
    install("other", "other = other_module:Other", other_module="raise SystemExit('never imported')")
    assert Loader(file(tmp_path, "{type: tcp}"), environ={}).load()
    assert plugins.conflicts() == ()
    assert "other_module" not in sys.modules
    assert "other" not in set(registry.types())


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("raise SystemExit('out of here')", "SystemExit: out of here"),
        ("def Other(", "SyntaxError: "),
        ("", "AttributeError: module 'other_module' has no attribute 'Other'"),
        ("Other = 7", "other_module:Other is no subclass of checks.Check"),
        (a_class("", base="object"), "other_module:Other is no subclass of checks.Check"),
        (a_class("").replace('"other"', '"another"'), "the class calls itself 'another'"),
        (a_class("", decorator="@dataclass"), "the class is no frozen dataclass"),
        (a_class("", decorator=""), "the class is no frozen dataclass"),
        (a_class("    count: int = 3"), "count is not declared with checks.options.option"),
    ],
)
def test_a_file_that_names_a_broken_type_is_told_whose_it_is_and_why(
    install: Install, tmp_path: Path, module: str, sentence: str
) -> None:
    install("other", "other = other_module:Other", other_module=module)
    told = fault(tmp_path, "{type: other}")
    start = (
        "healthlb.yaml:4:19: virtual_servers.shop.check.type: the check type other of package other 1.0 cannot be used"
    )
    assert told.startswith(f"{start}: ")
    assert sentence in told
    [broken] = plugins.broken()
    assert sentence in broken
    assert "Check.other" not in json_schema()["$defs"]
    assert "## other\n" not in reference.markdown()


def test_a_type_with_an_option_that_every_check_has_is_refused(install: Install, tmp_path: Path) -> None:
    body = '    port: int = option(Integer(1, 9), "A port.", 3)'
    install("other", "other = other_module:Other", other_module=a_class(body))
    assert "the check type other of other_module cannot be used: port is an option of every check" in fault(
        tmp_path, "{type: other}"
    )


@pytest.mark.parametrize(
    "body",
    [
        "    def __post_init__(self):\n        1 / 0",
        "    def faults(self):\n        1 / 0",
    ],
)
def test_a_type_that_fails_on_its_options_is_a_fault_of_the_file_and_no_traceback(
    install: Install, tmp_path: Path, body: str
) -> None:
    install("other", "other = other_module:Other", other_module=a_class(body))
    assert "the check type other failed: ZeroDivisionError" in fault(tmp_path, "{type: other}")


def test_a_built_in_type_is_not_replaced_and_who_offers_it_is_told(install: Install, tmp_path: Path) -> None:
    install("other", "tcp = other_module:Other", other_module=a_class(""))
    config = Loader(file(tmp_path, "{type: tcp}"), environ={}).load()
    conversation = config.virtual_servers["shop"].real_servers[0].probes[0].check.conversation
    assert type(conversation) is registry.types()["tcp"]
    assert plugins.conflicts() == ("package other 1.0 offers the check type tcp, which is built in",)


def test_a_type_that_two_packages_offer_is_neithers(install: Install, tmp_path: Path) -> None:
    for name in ("other-one", "other-two"):
        install(name, "other = other_module:Other", other_module=a_class(""))
    sentence = (
        "the check type other is offered by package other-one 1.0 and by package other-two 1.0; remove one of them"
    )
    assert fault(tmp_path, "{type: other}").endswith(sentence)
    assert plugins.conflicts() == (sentence,)


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "healthlb", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(folder),
    )


def test_every_verb_knows_an_installed_type(pong: Path, tmp_path: Path) -> None:
    good = file(tmp_path, "{type: pong}")
    assert command(pong, "validate", "-c", good).returncode == 0
    assert "Check.pong" in json.loads(command(pong, "schema").stdout)["$defs"]
    assert "Send a PING and expect a PONG" in command(pong, "checks").stdout
    probed = command(pong, "probe", "-c", good, "shop", "127.0.0.1:9")
    assert (probed.returncode, probed.stdout.split(":")[0]) == (1, "pong (pong) to 127.0.0.1")


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(folder), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


class Busy(socketserver.StreamRequestHandler):
    """Takes 40 % of its share of the work."""

    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"BUSY 40\r\n")


@pytest.fixture
def busy() -> Iterator[int]:
    """Start such a server and return its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_director_probes_with_an_installed_type_and_weighs_by_it(pong: Path, tmp_path: Path, busy: int) -> None:
    listen = free_port()
    path = tmp_path / "healthlb.yaml"
    path.write_text(
        f"api: {{listen: '127.0.0.1:{listen}', admin: none}}\nvirtual_servers:\n  shop:\n    address: 127.0.0.9:80\n"
        f"    weight: 10\n    check: {{type: pong, interval: 100ms, rise: 1}}\n"
        f"    method: nat\n    real_servers: ['127.0.0.1:{busy}']\n"
    )

    def server() -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{listen}/api/v1/status", timeout=60) as answer:
                return json.load(answer)["virtual_servers"][0]["real_servers"][0]
        except OSError:
            return None

    running = subprocess.Popen(
        [sys.executable, "-m", "healthlb", "run", "--dry-run", "-c", str(path)],
        env=environment(pong),
        stderr=subprocess.DEVNULL,
    )
    try:
        shown = eventually(server, lambda seen: bool(seen) and seen["weight"]["kernel"] == 4)
    finally:
        running.terminate()
        running.wait(60)
    assert shown["weight"]["chain"] == ["10", "40 % (pong)"]
    assert shown["checks"][0]["last"]["reason"] == "busy, wants 40 %"
