"""What requirements.lock promises to whoever installs from it."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_line_is_one_exact_version_with_its_hashes_and_names_no_place_to_get_it_from() -> None:
    line = re.compile(r"[a-z0-9-]+==[\w.]+( ; [\w.'<>=! ]+)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [each[:60] for each in LOCK if not line.fullmatch(each)] == []


def test_everything_that_the_project_asks_for_is_pinned() -> None:
    asked = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    pinned = {each.partition("==")[0] for each in LOCK}
    assert {re.split(r"[<>=]", each)[0] for each in asked} - pinned == set()


def test_the_licence_is_what_the_project_says() -> None:
    assert PROJECT["license"]["text"] == "GPL-2.0-or-later"
    assert "GNU GENERAL PUBLIC LICENSE\n                       Version 2" in (ROOT / "LICENSE").read_text()
