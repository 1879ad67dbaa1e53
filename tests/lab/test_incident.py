"""What is written into docs/oncall.md, and what is left alone."""

import pytest

import incident

PROSE = "Before.\n<!-- lab: look -->\n```text\n$ old\n```\nAfter.\n```text\nnot ours\n```\n"


def test_only_what_stands_between_the_marks_is_written_anew() -> None:
    assert incident.renewed(PROSE, {"look": "$ new\n"}) == PROSE.replace("$ old", "$ new")


@pytest.mark.parametrize("shown", [{}, {"look": "", "listen": ""}])
def test_a_place_that_only_one_of_document_and_incident_has_is_told(shown: dict[str, str]) -> None:
    with pytest.raises(KeyError, match="only one of"):
        incident.renewed(PROSE, shown)
