"""What README.md shows is what happens."""

import re
from pathlib import Path

import pytest

from checks import registry
from healthlb.cli.main import VERBS, main

README = (Path(__file__).parents[2] / "README.md").read_text()
(EXAMPLE, PAIR) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


def test_its_example_is_a_good_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "healthlb.yaml"
    file.write_text(EXAMPLE)
    assert main(["validate", "-c", str(file)]) == 0
    assert capsys.readouterr().err == ""


def test_with_its_pair_all_that_may_be_amiss_is_the_interface(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "healthlb.yaml"
    file.write_text(EXAMPLE + PAIR)
    assert main(["validate", "-c", str(file)]) == 0
    warned = capsys.readouterr().err.splitlines()
    assert [line for line in warned if not line.endswith("there is no interface eth0 on this machine now")] == []


def test_a_mistake_in_its_example_is_told_as_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("healthlb.yaml").write_text(EXAMPLE.replace("scheduler:", "schedular:"))
    (shown,) = re.findall(r"    \$ healthlb (validate .*)\n((?:    .+\n)+)", README)
    assert main(shown[0].split()) == 2
    assert capsys.readouterr().err.splitlines() == [line.strip() for line in shown[1].splitlines()]


def test_its_table_has_every_command_and_no_other() -> None:
    assert re.findall(r"^\| `healthlb (\w+)", README, re.MULTILINE) == list(VERBS)


def test_its_checks_are_those_that_there_are() -> None:
    (section,) = re.findall(r"^## Checks\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)
    named = re.findall(r"`([a-z0-9-]+)`", section.partition("\n\nA server")[0])
    assert set(named) - {"drain"} == set(registry.types())


def test_the_files_that_it_names_are_there() -> None:
    root = Path(__file__).parents[2]
    named = re.findall(r"\b(?:configs|docs|packaging|tests)/[\w./-]*\w|\b[A-Z]+\.md\b|\b\w+\.lock\b", README)
    assert len(named) >= 7
    assert [name for name in named if not (root / name).exists()] == []
