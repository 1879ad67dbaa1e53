"""The manual pages and the help: made from one source, true, and clean to the programs that show them."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from healthlb.cli.grammar import verbs
from healthlb.cli.main import VERBS, _parsed, main
from healthlb.cli.manual.__main__ import main as write_pages
from healthlb.cli.manual.__main__ import pages
from healthlb.cli.manual.roff import bold
from healthlb.cli.pages import PAGES
from healthlb.config.reference import check_references, common_reference, references
from healthlb.config.sections import ApiSection, DirectorSection, FileSection
from healthlb.config.server_sections import VirtualServerSection
from healthlb.config.walk import options_of

MAN = Path(__file__).parents[2] / "packaging" / "man"


def shown(page: str) -> str:
    """Return a page as a reader sees it, on lines without end and without its fonts."""
    ended = subprocess.run(
        ["man", "--warnings", "-l", str(MAN / page)],
        capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "10000", "MAN_KEEP_FORMATTING": ""},
    )  # fmt: skip
    assert ended.stderr == ""
    return ended.stdout


def test_the_packaged_pages_are_what_the_command_says_of_itself() -> None:
    kept = {path.name: path.read_text() for path in MAN.iterdir()}
    assert kept == pages(), "`make docs` makes them anew"


def test_making_them_again_changes_nothing_and_takes_old_ones_away(tmp_path: Path) -> None:
    (tmp_path / "healthlb-gone.1").write_text("")
    write_pages(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == pages()


def test_man_has_nothing_to_warn_of() -> None:
    ended = subprocess.run(
        ["man", "--warnings", "-l", *sorted(map(str, MAN.iterdir()))],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")


def test_mandoc_has_nothing_to_warn_of() -> None:
    ended = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *sorted(map(str, MAN.iterdir()))],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, "")


def test_every_verb_has_its_page_with_all_its_options() -> None:
    main_page = shown("healthlb.1")
    for verb in verbs():
        text = shown(f"healthlb-{verb.name}.1")
        for option in verb.options:
            assert ", ".join(option.spellings) in text, (verb.name, option)
        assert verb.purpose in text
        assert all(f"healthlb-{name}(1)" in main_page or name != verb.name for name in verb.spellings)


def test_every_key_of_the_file_is_told() -> None:
    page = (MAN / "healthlb.yaml.5").read_text()
    keys = set(options_of(FileSection))
    for kind in (DirectorSection, ApiSection, VirtualServerSection):
        keys |= {each.key for each in references(options_of(kind))}
    for reference in (common_reference(), *check_references()):
        keys |= {each.key for each in reference.without_tls}
    assert [key for key in keys if f"\n.TP\n{bold(key)}\n" not in page] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples_that_it_takes_and_says_what_its_exit_status_means(verb: str) -> None:
    page = PAGES[verb]
    assert page.about
    assert page.statuses
    assert page.examples
    for line, what in page.examples:
        assert what
        command = line[line.index("healthlb ") :].split(">")[0].split("|")[0].rstrip(" )")
        parsed = _parsed(shlex.split(command)[1:])
        assert parsed.run.__module__ == f"healthlb.cli.{verb}"


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_has_what_the_page_has(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert main([verb, "--help"]) == 0
    said = capsys.readouterr().out
    for line, what in PAGES[verb].examples:
        assert f"  {line}\n      {what}\n" in said
    assert all(text in said for text in PAGES[verb].about)
    assert "exit status:" in said
