"""Carries the checks that run a program: started in a thread, watched by pidfd_open(2), killed with its process group.

A few run at a time; others wait in line within their deadline. A program that its probe's end could not kill keeps its
place, and its real server's, until the kernel lets go of it: nothing piles up.
"""

import asyncio
import threading
from dataclasses import replace
from functools import partial
from typing import cast

from checks import Check, Done, Evidence, ProbeResult, Target, UnusableError
from checks.engine.dialogue import EVIDENCE_BYTES
from checks.engine.launching import Child, Output, give_up_capabilities, launch
from checks.engine.sockets import show
from checks.engine.telling import Teller
from checks.engine.threads import Threads, post
from checks.engine.words import not_sent
from checks.options import show_seconds
from checks.wire.programs import Ended, RunsProgram
from checks.wire.secrets import without_secrets

PLACES = 32
"""How many programs may run at once."""
STARTERS = 4
"""How many threads start them; a start takes a millisecond or two, unless a file system hangs."""
FLOOD_PAUSE = 0.005
"""Seconds between two looks at a flood."""
PATIENT = 0.1
"""The share of its time that a probe may spend in line before a timeout is no longer the script's own."""


class _Run:
    """One probe, and its program until that is reaped; `done` is None once the result is told."""

    __slots__ = ("asked", "began", "check", "child", "deadline", "done", "keep_evidence", "program", "target", "timer")

    def __init__(self, check: Check, target: Target, deadline: float, done: Done) -> None:
        self.check = check
        self.target = target
        self.deadline = deadline
        self.done: Done | None = done
        self.program = cast("RunsProgram", check).program(target)
        self.child: Child | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.asked = self.began = 0.0
        self.keep_evidence = False


class Processes:
    """Carries checks that are `checks.wire.programs.RunsProgram`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, teller: Teller, places: int = PLACES) -> None:
        self._loop = loop
        self._teller = teller
        self._places = places
        self._threads = Threads("healthlb-script", STARTERS, give_up_capabilities)
        self._runs: dict[tuple[Check, Target], _Run] = {}
        self._line: dict[_Run, None] = {}
        self._running: set[_Run] = set()
        self._untold = 0
        self._handover = threading.Lock()
        self._closed = False

    @property
    def in_flight(self) -> int:
        """How many probes have started and not yet called their `done`."""
        return self._untold

    def start(self, check: Check, target: Target, deadline: float, done: Done, *, keep_evidence: bool = False) -> None:
        """Start one probe, as `checks.Carrier` says."""
        if (check, target) in self._runs:
            raise UnusableError("the script of the last probe still runs")
        run = _Run(check, target, deadline, done)
        run.keep_evidence = keep_evidence
        run.asked = self._loop.time()
        run.timer = self._loop.call_at(deadline, self._on_deadline, run)
        self._runs[check, target] = run
        self._line[run] = None
        self._untold += 1
        self._fill()

    def close(self) -> None:
        """Kill every program; drop every probe without calling its `done`."""
        with self._handover:
            self._closed = True
        self._threads.close()
        children = []
        for run in self._runs.values():
            if run.timer is not None:
                run.timer.cancel()
            if run.child is not None:
                self._stop_watching(run.child)
                run.child.kill()
                children.append(run.child)
        self._runs.clear()
        self._line.clear()
        self._running.clear()
        self._untold = 0
        if children:
            threading.Thread(target=_put_down, args=(children,), name="healthlb-reaper", daemon=True).start()

    # Places

    def _fill(self) -> None:
        while self._line and len(self._running) < self._places:
            run = next(iter(self._line))
            del self._line[run]
            self._running.add(run)
            try:
                self._threads.run(partial(self._launch, run))
            except OSError as error:
                self._leave(run)
                self._tell(run, _not_sent(not_sent(error)))

    def _leave(self, run: _Run) -> None:
        self._running.discard(run)
        del self._runs[run.check, run.target]

    # A start, in a thread

    def _launch(self, run: _Run) -> None:
        if run.done is None or self._closed:
            fault: Exception | None = UnusableError("too late")
        else:
            fault = self._launched(run)
        post(self._loop.call_soon_threadsafe, self._on_launched, run, fault)

    def _launched(self, run: _Run) -> Exception | None:
        try:
            child = launch(run.program)
        except Exception as error:  # noqa: BLE001  the loop's thread tells what it is
            return error
        with self._handover:
            if not self._closed:
                run.child = child
                return None
        child.put_down()
        return None

    def _on_launched(self, run: _Run, fault: Exception | None) -> None:
        if self._closed:
            return
        child = run.child
        if child is None:
            self._leave(run)
            self._tell(run, self._unstarted(run, fault))
            self._fill()
            return
        run.began = self._loop.time()
        self._loop.add_reader(child.pidfd, self._on_end, run, child)
        for output in (child.output, child.errors):
            self._loop.add_reader(output.file, self._on_output, output)
        if run.done is None:
            child.kill()

    def _unstarted(self, run: _Run, fault: Exception | None) -> ProbeResult:
        match fault:
            case UnusableError() | ValueError():
                return _not_sent(f"not sent: {fault}")
            case OSError():
                return _not_sent(not_sent(fault))
            case _:
                error = fault or RuntimeError("nothing was started")
                return ProbeResult(False, self._teller.fault(run.check.type, run.target, error), 0.0)

    # While it runs

    def _on_output(self, output: Output) -> None:
        more = output.read()
        if not more or output.flooding:
            self._loop.remove_reader(output.file)
        if more and output.flooding:
            self._loop.call_later(FLOOD_PAUSE, self._read_on, output)

    def _read_on(self, output: Output) -> None:
        if output.file >= 0 and not self._closed:
            self._loop.add_reader(output.file, self._on_output, output)

    def _on_end(self, run: _Run, child: Child) -> None:
        child.kill()  # what it left running; itself it is past that
        self._stop_watching(child)
        end: Ended | UnusableError | None
        try:
            end = child.reap()
        except UnusableError as error:
            end = error
        if end is None:
            self._loop.add_reader(child.pidfd, self._on_end, run, child)
            return
        self._leave(run)
        if run.done is not None:
            self._tell(run, self._judged(run, end))
        self._fill()

    def _stop_watching(self, child: Child) -> None:
        for file in (child.pidfd, child.output.file, child.errors.file):
            self._loop.remove_reader(file)

    def _on_deadline(self, run: _Run) -> None:
        granted = show_seconds(float(f"{run.deadline - run.asked:.2g}"))
        if run in self._line:
            del self._line[run]
            self._leave(run)
            stuck = sum(each.done is None for each in self._running)
            unkillable = f", {stuck} of which cannot be killed" if stuck else ""
            self._tell(run, _not_sent(f"not sent: too many scripts: {self._places} run already{unkillable}"))
        elif run.child is None or not run.began:
            self._tell(run, _not_sent(f"not sent: the script could not be started within {granted}"))
        elif run.child.has_ended():
            self._on_end(run, run.child)
        else:
            run.child.kill()
            self._tell(run, self._overdue(run, run.child, granted))

    def _overdue(self, run: _Run, child: Child, granted: str) -> ProbeResult:
        waited = run.began - run.asked
        if waited > PATIENT * (run.deadline - run.asked):
            waited_for = show_seconds(float(f"{waited:.2g}"))
            return _not_sent(f"void: the script was started {waited_for} late, for others ran")
        evidence = _evidence(run, child.output.kept + child.errors.kept)
        return ProbeResult(False, f"timed out after {granted}; the script was killed", 0.0, evidence=evidence)

    # Ends

    def _judged(self, run: _Run, end: Ended | UnusableError) -> ProbeResult:
        if isinstance(end, UnusableError):
            return _not_sent(f"not sent: {end}")
        try:
            verdict = cast("RunsProgram", run.check).ended(end)
            keep = run.keep_evidence or not verdict.passed
            evidence = _evidence(run, end.output + end.errors) if keep else None
            return ProbeResult(verdict.passed, verdict.reason, 0.0, True, evidence, verdict.warning, verdict.feedback)
        except UnusableError as error:
            return _not_sent(f"not sent: {error}")
        except Exception as error:  # noqa: BLE001  a check is third-party code
            return ProbeResult(False, self._teller.fault(run.check.type, run.target, error), 0.0)

    def _tell(self, run: _Run, result: ProbeResult) -> None:
        done, run.done = run.done, None
        if done is None:
            return
        if run.timer is not None:
            run.timer.cancel()
        self._untold -= 1
        self._teller.later(done, replace(result, seconds=self._loop.time() - run.asked))


def _evidence(run: _Run, received: bytes) -> Evidence:
    shown = " ".join(run.program.argv).encode("utf-8", "replace")
    sent, received = (without_secrets(each[:EVIDENCE_BYTES]) for each in (shown, received))
    return Evidence(sent, received, show(run.target))


def _not_sent(reason: str) -> ProbeResult:
    return ProbeResult(False, reason, 0.0, sent=False)


def _put_down(children: list[Child]) -> None:
    for child in children:
        child.put_down()
