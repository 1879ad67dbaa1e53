"""docs/oncall.md shows what an incident really looks like: the same incident is played here."""

import incident


def test_the_walk_through_an_incident_shows_what_the_commands_say_today() -> None:
    written = incident.FILE.read_text(encoding="utf-8")
    now = incident.renewed(written, incident.played())
    assert now.splitlines() == written.splitlines(), "docs/oncall.md is not what the commands say: run `make docs`"
