"""Whether packages offer check types, told from their files as importlib.metadata would tell it."""

import sys
import zipfile
from importlib.metadata import Distribution, entry_points
from pathlib import Path

import pytest

import plugin
from checks.offers import may_be_offered

GROUP = "healthlb.checks"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on the path."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def agreed(*, offered: bool) -> bool:
    """Whether the short way and importlib.metadata both say so."""
    return may_be_offered(GROUP) is offered and bool(entry_points(group=GROUP)) is offered


def test_no_folder_an_empty_one_and_one_that_is_not_there_offer_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert agreed(offered=False)
    monkeypatch.setattr(sys, "path", [str(place / "nowhere")])
    assert agreed(offered=False)
    monkeypatch.setattr(sys, "path", [])
    assert agreed(offered=False)


def test_a_package_of_another_group_offers_nothing(place: Path) -> None:
    package = place / "other-1.0.dist-info"
    package.mkdir()
    assert agreed(offered=False)
    (package / "entry_points.txt").write_text("[console_scripts]\nother = other:main\n")
    assert agreed(offered=False)


@pytest.mark.parametrize("name", ["pong-1.0.dist-info", "pong.egg-info", "Pong-1.0.DIST-INFO"])
def test_a_package_that_offers_a_type_is_found(place: Path, name: str) -> None:
    (place / name).mkdir()
    (place / name / "METADATA").write_text("Metadata-Version: 2.1\nName: pong\nVersion: 1.0\n")
    (place / name / "entry_points.txt").write_text(f"[{GROUP}]\npong = pong:Pong\n")
    assert agreed(offered=True)


def test_an_egg_that_offers_a_type_is_found(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    egg = place / "pong-1.0-py3.11.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: pong\nVersion: 1.0\n")
    (egg / "EGG-INFO" / "entry_points.txt").write_text(f"[{GROUP}]\npong = pong:Pong\n")
    monkeypatch.setattr(sys, "path", [str(egg)])
    assert agreed(offered=True)


def test_the_working_directory_is_looked_at_where_the_path_has_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plugin.install(place, "healthlb-pong", "pong = healthlb_pong:Pong"))
    monkeypatch.setattr(sys, "path", [""])
    assert agreed(offered=True)


def test_what_an_archive_or_a_finder_of_its_own_may_hold_is_left_to_those_who_can_tell(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(place / "all.zip", "w") as archive:
        archive.writestr("empty.txt", "")
    monkeypatch.setattr(sys, "path", [str(place / "all.zip")])
    assert may_be_offered(GROUP)

    class Finder:
        @staticmethod
        def find_distributions(*_: object) -> list[Distribution]:
            return []

        @staticmethod
        def find_spec(*_: object) -> None:
            return None

    monkeypatch.setattr(sys, "path", [str(place)])
    assert not may_be_offered(GROUP)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert may_be_offered(GROUP)
