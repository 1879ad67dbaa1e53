"""The collector of cycles runs in small steps while a director lives, and no more when it has ended."""

import asyncio
import gc

import pytest

from healthlb.daemon import tidying
from healthlb.daemon.tidying import Tidying
from waiting import until


def test_young_objects_are_looked_at_again_and_again_however_few_there_seem_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tidying, "BEAT", 0.001)
    steps: list[int] = []
    monkeypatch.setattr(gc, "collect", steps.append)

    async def run() -> None:
        ours = Tidying(asyncio.get_running_loop())
        ours.start()
        await until(lambda: len(steps) >= 3)
        ours.close()
        ours.close()
        assert set(steps) == {1}

    asyncio.run(run())
