"""A change of any file of the configuration shows from outside, and nothing else does."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlb.config.faults import ConfigError
from healthlb.config.loader import Loader

MAIN = "include: [conf.d/*.yaml, extra.yaml]\n"
PART = "virtual_servers: {{{name}: {{address: 192.0.2.10:{port}, real_servers: []}}}}\n"


def part(port: int) -> str:
    return PART.format(name=f"shop{port}", port=port)


@pytest.fixture
def tree(file: Any) -> Any:
    file.write("director: {name: a}\n", "extra.yaml")
    file.write("include: ['../deep*.yaml']\n" + part(1), "conf.d/a.yaml")
    file.write(part(2), "deep.yaml")
    file.load(MAIN)
    return file


def replace(path: Path, text: str) -> None:
    """Put another file into a file's place, of the same age and size where the text allows it."""
    seen = path.stat()
    other = path.with_name("new")
    other.write_text(text)
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    other.rename(path)


def test_nothing_shows_while_nothing_changes(tree: Any) -> None:
    assert tree.loader.fingerprint() == tree.loader.as_read
    tree.loader.load()
    assert tree.loader.fingerprint() == tree.loader.as_read


CHANGES: dict[str, Callable[[Path], Any]] = {
    "the file is written": lambda folder: (folder / "healthlb.yaml").write_text("virtual_servers: {}\n"),
    "the file is replaced by a rename": lambda folder: replace(folder / "healthlb.yaml", MAIN),
    "the file vanishes": lambda folder: (folder / "healthlb.yaml").unlink(),
    "an include is written": lambda folder: (folder / "conf.d" / "a.yaml").write_text(part(3)),
    "an include is replaced by a rename": lambda folder: replace(folder / "conf.d" / "a.yaml", part(3)),
    "an include of an include is written": lambda folder: (folder / "deep.yaml").write_text(part(3)),
    "an include that is named vanishes": lambda folder: (folder / "extra.yaml").unlink(),
    "an include that a pattern finds vanishes": lambda folder: (folder / "conf.d" / "a.yaml").unlink(),
    "a new file is found by a pattern": lambda folder: (folder / "conf.d" / "b.yaml").write_text(""),
    "a new file is found by a pattern of an include": lambda folder: (folder / "deeper.yaml").write_text(""),
    "a folder is no longer there": lambda folder: (folder / "conf.d").rename(folder / "gone"),
    "a file may be read by others": lambda folder: (folder / "extra.yaml").chmod(0o640),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_shows(tree: Any, change: str) -> None:
    before = tree.loader.fingerprint()
    CHANGES[change](tree.folder)
    assert tree.loader.fingerprint() != before
    assert tree.loader.fingerprint() == tree.loader.fingerprint()


def test_a_file_that_nobody_includes_does_not_show(tree: Any) -> None:
    (tree.folder / "conf.d" / "a.yaml~").write_text("x")
    (tree.folder / "other.yaml").write_text("x")
    assert tree.loader.fingerprint() == tree.loader.as_read


def test_a_symbolic_link_that_is_swapped_shows_as_for_a_mounted_config_map(file: Any) -> None:
    for name in ("one", "two"):
        file.write(part(1), f"{name}/a.yaml")
        os.utime(file.folder / name / "a.yaml", (1, 1))
    (file.folder / "data").symlink_to("one")
    file.load("include: [data/*.yaml]\n")
    assert file.loader.fingerprint() == file.loader.as_read
    (file.folder / "next").symlink_to("two")
    (file.folder / "next").rename(file.folder / "data")
    assert file.loader.fingerprint() != file.loader.as_read


def test_what_a_refused_file_looked_like_counts_as_read(tree: Any) -> None:
    (tree.folder / "conf.d" / "a.yaml").write_text("virtual_servers: {a: {}}\n")
    with pytest.raises(ConfigError):
        tree.loader.load()
    assert tree.loader.fingerprint() == tree.loader.as_read
    (tree.folder / "conf.d" / "a.yaml").write_text(part(4))
    assert tree.loader.fingerprint() != tree.loader.as_read
    tree.loader.load()
    assert tree.loader.fingerprint() == tree.loader.as_read


def test_a_file_that_is_not_there_yet_shows_when_it_is(file: Any) -> None:
    with pytest.raises(ConfigError):
        file.loader.load()
    assert file.loader.fingerprint() == file.loader.as_read
    file.write(part(1))
    assert file.loader.fingerprint() != file.loader.as_read


def test_a_folder_whose_name_looks_like_a_pattern_is_no_pattern(new_file: Callable[[str], Any]) -> None:
    file = new_file("a[b]*")
    file.write(part(1), "one.yaml")
    file.write(part(2), "conf.d/two.yaml")
    assert len(file.load("include: [one.yaml, conf.d/*.yaml]\n").virtual_servers) == 2
    assert file.loader.fingerprint() == file.loader.as_read
    file.write(part(3), "conf.d/three.yaml")
    assert file.loader.fingerprint() != file.loader.as_read


@pytest.mark.parametrize("path", ["", "/proc/1/root/x", "/" + "a" * 5000])
def test_a_path_that_nothing_can_have_is_no_reason_to_fail(path: str) -> None:
    loader = Loader(path, environ={})
    with pytest.raises(ConfigError):
        loader.load()
    assert loader.fingerprint() == loader.as_read


NAMES = ["healthlb.yaml", "a.yaml", "b.yaml", "extra.yaml"]
TEXTS = [
    "include: ['?.yaml']\n",
    "include: [extra.yaml]\nvirtual_servers: {}\n",
    "include: [none.yaml, '*x*.yaml']\n",
    "x: &a 1\n",
    part(1),
    "{",
    "",
]
EDIT = st.tuples(st.sampled_from(NAMES), st.none() | st.sampled_from(TEXTS))


@given(edits=st.lists(st.lists(EDIT, max_size=4), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_load_nothing_is_left_to_be_seen(tmp_path: Path, edits: list[list[tuple[str, str | None]]]) -> None:
    loader = Loader(str(tmp_path / "healthlb.yaml"), environ={})
    for some in edits:
        for name, text in some:
            if text is None:
                (tmp_path / name).unlink(missing_ok=True)
            else:
                (tmp_path / name).write_text(text)
        with contextlib.suppress(ConfigError):
            loader.load()
        assert loader.fingerprint() == loader.as_read
