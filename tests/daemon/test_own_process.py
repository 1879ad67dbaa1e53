"""What the director says of its own process."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from healthlb.daemon import process
from healthlb.daemon.breath import Breath
from healthlb.daemon.process import Process
from healthlb.model.snapshot import ProcessStatus


def status() -> ProcessStatus:
    async def ask() -> ProcessStatus:
        return await Process().status(Breath())

    return asyncio.run(ask())


def test_a_descriptor_more_is_counted_and_one_that_is_closed_no_longer() -> None:
    before = status().open_descriptors
    with Path(os.devnull).open("rb"):
        assert status().open_descriptors == before + 1
    assert status().open_descriptors == before


def test_descriptors_are_counted_one_by_one_where_the_kernel_does_not_tell_their_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Old(type(Path())):  # type: ignore[misc]
        def stat(self, **_: bool) -> os.stat_result:
            return os.stat_result((0,) * 10)

    told = status().open_descriptors
    monkeypatch.setattr(process, "_DESCRIPTORS", Old("/proc/self/fd"))
    assert status().open_descriptors == told


def test_the_process_started_before_now_and_after_the_machine() -> None:
    now = status()
    assert process._booted() < now.started_at <= time.time() + 1
    assert now.cpu_seconds > 0
    assert now.threads >= 1
    assert 0 < now.resident_bytes <= now.virtual_bytes


def test_what_proc_does_not_tell_counts_as_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "_SELF", tmp_path)
    monkeypatch.setattr(process, "_DESCRIPTORS", tmp_path / "fd")
    nothing = status()
    assert (nothing.resident_bytes, nothing.open_descriptors, nothing.threads) == (0, 0, 0)
