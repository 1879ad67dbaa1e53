"""What docs/operating.md shows is a good file, and every command in it is one."""

import re
from pathlib import Path

import pytest

from healthlb.cli.main import VERBS, main
from healthlb.config.loader import load

TEXT = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_its_examples_are_good_files(example: str, tmp_path: Path) -> None:
    file = tmp_path / "healthlb.yaml"
    file.write_text(example)
    (pool,) = load(str(file)).virtual_servers.values()
    assert pool.name == "shop"


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"^    healthlb (\w+)", TEXT, re.MULTILINE))))
def test_its_commands_are_there(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb in VERBS
    assert main([verb, "--help"]) == 0
    assert "usage: healthlb" in capsys.readouterr().out
