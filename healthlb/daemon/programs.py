"""Runs the programs that are told of events: started in a thread, watched by pidfd_open(2), killed with their group."""

import asyncio
from functools import partial

from checks import UnusableError
from checks.engine.launching import Child, Output, give_up_capabilities, launch
from checks.engine.threads import Threads
from checks.wire.programs import PATH, Program
from healthlb.notify.command import Exit
from healthlb.notify.sending import UndeliveredError


class Programs:
    """Runs one program at a time, unprivileged and in a clean environment as checks' scripts are.

    It has a thread of its own: a file system that hangs, or a program that cannot be killed, keeps nobody else waiting.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = Threads(name, 1, give_up_capabilities)

    async def run(self, argv: tuple[str, ...], user: str | None, data: bytes) -> Exit:
        """Run a program with an input and return how it ended; cancelling this kills it and all that it started.

        Raise UndeliveredError where it cannot be run.
        """
        child = await self._started(Program(argv, (("PATH", PATH),), user=user, input=data))
        try:
            await self._watched(child)
        except BaseException:
            child.kill()
            self._threads.run(child.put_down)
            raise
        child.kill()  # what it left running; itself it is past that
        try:
            end = child.reap()
        except UnusableError as error:
            raise UndeliveredError(str(error)) from error
        assert end is not None  # noqa: S101  its pidfd is readable once it waits to be reaped (pidfd_open(2))
        return Exit(end.status, end.signal, end.errors)

    def close(self) -> None:
        """Begin no more."""
        self._threads.close()

    async def _started(self, program: Program) -> Child:
        started: asyncio.Future[Child] = self._loop.create_future()
        try:
            self._threads.run(partial(self._launch, program, started))
            return await started
        except UnusableError as error:
            raise UndeliveredError(str(error)) from error
        except (OSError, ValueError) as error:
            raise UndeliveredError(f"{program.argv[0]} cannot be started: {error}") from error

    def _launch(self, program: Program, started: "asyncio.Future[Child]") -> None:
        try:
            child = launch(program)
        except Exception as error:  # noqa: BLE001  the loop's thread tells what it is
            self._post(partial(_settle, started, error))
            return
        if not self._post(partial(self._hand_over, started, child)):
            child.put_down()

    def _post(self, call: "partial[None]") -> bool:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed
            return False
        return True

    def _hand_over(self, started: "asyncio.Future[Child]", child: Child) -> None:
        if started.done():
            child.kill()
            self._threads.run(child.put_down)
        else:
            started.set_result(child)

    async def _watched(self, child: Child) -> None:
        """Return once it has ended; read what it says meanwhile, and kill what says too much."""
        ended = asyncio.Event()
        self._loop.add_reader(child.pidfd, ended.set)
        for output in (child.output, child.errors):
            self._loop.add_reader(output.file, self._read, child, output)
        try:
            await ended.wait()
        finally:
            for file in (child.pidfd, child.output.file, child.errors.file):
                self._loop.remove_reader(file)

    def _read(self, child: Child, output: Output) -> None:
        more = output.read()
        if more and output.flooding:
            child.kill()
        if not more or output.flooding:
            self._loop.remove_reader(output.file)


def _settle(started: "asyncio.Future[Child]", error: Exception) -> None:
    if not started.done():
        started.set_exception(error)
