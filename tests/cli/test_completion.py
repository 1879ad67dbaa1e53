"""Completion, as each shell does it: a line is typed with its tabs, and what the command is given is what counts."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from healthlb.cli import names
from healthlb.cli.completion import SHELLS, script
from healthlb.cli.grammar import verbs
from healthlb.cli.main import VERBS, main
from keyboard import Keyboard, keyboard
from waiting import eventually

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "packaging" / "completions"
START = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        f"PS1='READY> '; bind 'set bell-style none'; source {SCRIPTS}/healthlb",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        f"PS1='READY> '; fpath=({SCRIPTS} $fpath); autoload -Uz compinit; compinit -D -u",
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        f"function fish_prompt; echo -n 'READY> '; end; source {SCRIPTS}/healthlb.fish",
    ),
}
CONFIG = """
api: {{listen: 'unix:{folder}/api.sock', admin: none}}
virtual_servers:
  "shop:http":
    address: 127.0.0.9:80
    method: nat
    real_servers: ['127.0.0.1:9', {{address: '127.0.0.2:9', name: 'web[2]'}}]
  drain: {{address: 127.0.0.9:81, method: nat, real_servers: ['127.0.0.1:9']}}
  six: {{address: '[::2]:81', method: nat, real_servers: ['[::1]:99']}}
"""
TYPED = [
    ("val\t", "validate"),
    ("over\t--js\t", "overrides --json"),
    ("run --log j\t", "run --log json"),
    ("completion fi\t", "completion fish"),
    ("validate -c {folder}/he\t", "validate -c {folder}/healthlb.yaml"),
    ("validate --config={folder}/he\t", "validate --config={folder}/healthlb.yaml"),
    ("disable {url} sh\t", "disable {url} shop:http"),
    ("disable {url} shop:h\t", "disable {url} shop:http"),
    ("disable {url} dr\t127\t", "disable {url} drain 127.0.0.1:9"),
    ("disable {url} shop:http 127.0.0.1:\t", "disable {url} shop:http 127.0.0.1:9"),
    ("disable {url} 'shop:http' we\t", "disable {url} shop:http web[2]"),
    ('disable {url} shop:http "127.0.0.1\t', "disable {url} shop:http 127.0.0.1:9"),
    ("disable {url} six \\[:\t", "disable {url} six [::1]:99"),
    ("disable {url} --host ::\t", "disable {url} --host ::1"),
    ("disable {url} --host=127.0.0.2\t", "disable {url} --host=127.0.0.2"),
    ("enable {url} --host 127.0.0.1:\t", "enable {url} --host 127.0.0.1:9"),
    ("events {url} --vs shop\t--rs we\t", "events {url} --vs shop:http --rs web[2]"),
    ("probe -c {folder}/healthlb.yaml shop:http web\t--check t\t",
     "probe -c {folder}/healthlb.yaml shop:http web[2] --check tcp"),
    ("events --name quorum_l\t", "events --name quorum_lost"),
    ("checks tcp-h\t", "checks tcp-half-open"),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder with a director's file and socket, and a `healthlb` that writes down what it is given."""
    folder = tmp_path_factory.mktemp("c")
    (folder / "bin").mkdir()
    command = folder / "bin" / "healthlb"
    command.write_text(
        "#!/bin/sh\n"
        f'[ "$1" != __complete ] || exec {sys.executable} -m healthlb "$@"\n'
        f'printf "%s\\n" "$@" >{folder}/given\necho GIV""EN\n'
    )
    command.chmod(0o755)
    file = folder / "healthlb.yaml"
    file.write_text(CONFIG.format(folder=folder))
    with (folder / "log").open("w") as log, ExitStack() as stack:
        process = subprocess.Popen(
            [sys.executable, "-m", "healthlb", "run", "--dry-run", "-c", str(file)],
            env=environment(folder), stderr=log,
        )  # fmt: skip
        stack.callback(process.wait)
        stack.callback(process.terminate)
        came = eventually((folder / "api.sock").exists, lambda there: there or process.poll() is not None, deadline=60)
        assert came, (folder / "log").read_text()
        yield folder


def environment(folder: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ZDOTDIR"))},
        "PYTHONPATH": str(ROOT),
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "TERM": "xterm",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "STATE_DIRECTORY": str(folder / "state"),
        names.VARIABLE: "60",
    }


@pytest.fixture(scope="module", params=START)
def shell(request: pytest.FixtureRequest, folder: Path) -> Iterator[Keyboard]:
    command, first = START[request.param]
    with keyboard(command, environment(folder)) as typist:
        typist.type(f"{first}\necho BEG''UN\n")
        typist.until("BEGUN")
        yield typist


@pytest.mark.parametrize(("typed", "given"), TYPED)
def test_what_is_typed_is_completed_to_what_the_director_knows(
    shell: Keyboard, folder: Path, typed: str, given: str
) -> None:
    places = {"folder": folder, "url": f"--url unix:{folder}/api.sock"}
    shell.type(f"healthlb {typed.format(**places)}\n")
    shell.until("GIVEN")
    assert (folder / "given").read_text().splitlines() == given.format(**places).split()


@pytest.mark.parametrize("shell_name", SHELLS)
def test_what_is_packaged_is_what_the_verb_prints(shell_name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell_name]) == 0
    assert capsys.readouterr().out == (SCRIPTS / SHELLS[shell_name]).read_text(), "`make docs` makes it anew"


@pytest.mark.parametrize("shell_name", SHELLS)
def test_every_verb_and_every_option_is_in_the_script(shell_name: str) -> None:
    text = script(shell_name)
    for verb in verbs():
        assert verb.name in VERBS
        for option in verb.options:
            word = option.spellings[-1] if shell_name != "fish" else f"-l {option.spellings[-1][2:]}"
            assert word in text


def offered(capsys: pytest.CaptureFixture[str], *line: str) -> list[str]:
    """Return what a shell is told; in a process that stays, so what the offer sets is set back."""
    assert main(["__complete", *line]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    return [row.split("\t")[0] for row in shown.out.splitlines()]


@pytest.mark.parametrize(
    "line", [(), ("",), ("drain", ""), ("bogus", ""), ("--", ""), ("drain", "--url", ""), ("weight", "shop", "web", "")]
)
def test_without_a_director_there_are_no_names_and_no_words(line: tuple[str, ...]) -> None:
    url = ("--url", "unix:/nowhere/api.sock")
    ended = subprocess.run(
        [sys.executable, "-m", "healthlb", "__complete", *line[:1], *url, *line[1:]],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("answer", ["nonsense", [], {"virtual_servers": [{"name": 5}]}, {"virtual_servers": 1}])
def test_what_is_no_director_gives_no_names_and_no_words(
    answer: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(names, "fetch_object", lambda *_: (json.dumps(answer), answer))
    monkeypatch.setattr(names, "stay_silent", lambda: None)
    assert offered(capsys, "drain", "") == []


def test_a_name_with_a_control_character_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pools = {"virtual_servers": [{"name": "a\x1b[2J", "state": "up"}, {"name": "b c", "state": "up"}]}
    monkeypatch.setattr(names, "fetch_object", lambda *_: ("", pools))
    monkeypatch.setattr(names, "stay_silent", lambda: None)
    assert offered(capsys, "drain", "") == ["b c"]


def test_the_word_that_a_line_asks_for_is_found_between_options() -> None:
    line = shlex.split("weight -c /etc/x --why 'new disks' shop --json --for 5m")
    typed = names.understood([*line, "web"])
    assert typed is not None
    assert (typed.words, typed.what, typed.virtual_server) == (("shop",), "real server", "shop")
    assert typed.options["--config"] == "/etc/x"
    typed = names.understood(["weight", "--host", "127.0.0.1", ""])
    assert typed is not None
    assert typed.what == ""
