"""The reference of the checks: made from the declarations, and as current as they are."""

import json
from pathlib import Path

import pytest

from checks.registry import types
from healthlb.config import prepared
from healthlb.config.json_schema import json_schema
from healthlb.config.reference import check_references, common_reference, markdown

DOCUMENT = Path(__file__).parents[2] / "docs" / "checks.md"


def test_the_document_is_what_the_code_says() -> None:
    assert DOCUMENT.read_text() == markdown(), "run `make docs`"


@pytest.mark.parametrize("name", [prepared.SCHEMA, prepared.CHECKS])
def test_what_is_prepared_is_what_the_code_says(name: str) -> None:
    assert Path(prepared.__file__).with_name(name).read_text() == prepared.made()[name], "run `make docs`"


def test_what_is_prepared_reads_as_it_was_written() -> None:
    assert prepared.check_references() == (common_reference(), *check_references())
    assert json.loads(prepared.schema_text()) == json_schema()


def test_every_type_and_option_is_told() -> None:
    text = markdown()
    for reference in check_references():
        assert f"\n## {reference.type}\n" in text
        assert reference.doc
    assert {each.type for each in check_references()} == set(types())


def test_the_list_of_types_has_one_line_for_each() -> None:
    lines = markdown().split("## The types\n\n")[1].split("\n\n")[0].splitlines()
    assert len(lines) == len(check_references())
    assert all(line.startswith("- [`") for line in lines)


def test_every_option_says_what_it_takes_and_is() -> None:
    for reference in (common_reference(), *check_references()):
        for option in reference.options:
            assert option.takes, option.key
            assert option.doc.endswith("."), option.key


def test_no_cell_shows_how_python_spells_a_value() -> None:
    for reference in (common_reference(), *check_references()):
        for option in reference.options:
            assert not any(sign in option.default for sign in ("None", "True", "False", "((", "object at")), option.key


def test_a_table_has_as_many_cells_in_every_row_as_in_its_head() -> None:
    width = 0
    for line in markdown().splitlines():
        cells = line.replace("\\|", "").count("|")
        if not line.startswith("|"):
            width = 0
        elif not width:
            width = cells
        else:
            assert cells == width, line
