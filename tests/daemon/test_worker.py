"""The thread for work that blocks."""

import asyncio
import subprocess
import sys
import threading

import pytest

from healthlb.daemon.worker import Worker


def test_work_is_done_in_turn_off_the_loop_and_its_answer_or_fault_comes_back() -> None:
    async def story() -> None:
        worker = Worker("test")
        done: list[int] = []
        await asyncio.gather(*[worker.do(lambda number=number: done.append(number)) for number in range(50)])  # type: ignore[misc]
        assert done == list(range(50))
        assert await worker.do(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await worker.do(lambda: 1 // 0)
        assert await worker.do(lambda: "still there") == "still there"
        worker.close()

    asyncio.run(story())


def test_work_that_was_cancelled_before_its_turn_is_left_undone() -> None:
    async def story() -> None:
        worker = Worker("test")
        going = threading.Event()
        first = worker.do(lambda: going.wait(60))
        done: list[str] = []
        worker.do(lambda: done.append("cancelled")).cancel()
        going.set()
        assert await first
        await worker.do(lambda: done.append("after"))
        assert done == ["after"]
        worker.close()

    asyncio.run(story())


def test_work_that_never_ends_does_not_keep_the_process_from_ending() -> None:
    story = (
        "import asyncio, threading\n"
        "from healthlb.daemon.worker import Worker\n"
        "async def story():\n"
        "    worker = Worker('stuck')\n"
        "    begun = threading.Event()\n"
        "    worker.do(lambda: (begun.set(), threading.Event().wait()))\n"
        "    begun.wait(60)\n"
        "    worker.close()\n"
        "asyncio.run(story())\n"
    )
    ended = subprocess.run([sys.executable, "-c", story], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
