"""Carries the checks that go by a file: watched by inotify(7), so that a change asks for a probe at once.

A probe is answered from what is known. The disk is looked at, in a thread, after a change, every half a minute (not
every file system tells of changes that other machines make), and at each probe where a file cannot be watched.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

from checks import Check, Done, Evidence, ProbeResult, Target, UnusableError
from checks.engine.dialogue import EVIDENCE_BYTES
from checks.engine.inotify import GONE, IN_IGNORED, IN_Q_OVERFLOW, LIMITS, Inotify
from checks.engine.looking import Look, look
from checks.engine.telling import Teller
from checks.engine.threads import Threads, post
from checks.engine.words import not_sent
from checks.options import show_seconds
from checks.wire.reading import ReadsFile
from checks.wire.secrets import without_secrets

Hint = Callable[[Check, Target], None]
LOOKERS = 8
"""How many threads look at files; each may hang with its file system."""
LOOK_AGAIN_SECONDS = 30.0
HINT_SECONDS = 0.05
"""How far apart one file's hints are at least, however often it is written."""
LOOKS = 3
"""How often a file that changes while it is looked at is looked at for one probe."""
INOTIFY_AGAIN_SECONDS = 60.0
"""When inotify is tried again where there was none to be had."""
FORGET_SECONDS = 2 * 86400.0
"""When a file that no probe asks for any more is let go of: later than the longest interval."""
SWEEP_SECONDS = 60.0


class _Probe:
    """One probe that waits for a look at its file."""

    __slots__ = ("asked", "check", "deadline", "done", "keep_evidence", "target", "timer")

    def __init__(self, check: Check, target: Target, deadline: float, done: Done, asked: float) -> None:
        self.check = check
        self.target = target
        self.deadline = deadline
        self.done = done
        self.asked = asked
        self.keep_evidence = False
        self.timer: asyncio.TimerHandle | None = None


class _Watched:
    """One file. `seen` is good until `until`; `changes` counts what inotify told since."""

    __slots__ = (
        "askers",
        "changes",
        "changes_before",
        "hint",
        "hinted",
        "looking",
        "looks",
        "name",
        "path",
        "seen",
        "until",
        "waiting",
        "watch",
    )

    def __init__(self, path: str) -> None:
        self.path = path
        self.askers: dict[tuple[Check, Target], float] = {}
        self.waiting: dict[_Probe, None] = {}
        self.seen: bytes | Exception | None = None
        self.until = float("-inf")
        self.changes = self.changes_before = 0
        self.looking = False
        self.looks = 0
        self.watch: int | None = None
        self.name = ""
        self.hint: asyncio.TimerHandle | None = None
        self.hinted = float("-inf")


class Files:
    """Carries checks that are `checks.wire.reading.ReadsFile`; `on_hint` is asked for a probe of each after a change.

    It may start that probe at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, teller: Teller, on_hint: Hint) -> None:
        self._loop = loop
        self._teller = teller
        self._on_hint = on_hint
        self._threads = Threads("healthlb-file", LOOKERS)
        self._files: dict[str, _Watched] = {}
        self._by_watch: dict[int, dict[str, set[_Watched]]] = {}
        self._looking = 0
        self._early: set[int] = set()
        """Watches that have told something before the loop knew whose they are."""
        self._inotify: Inotify | None = None
        self._inotify_tried = float("-inf")
        self._complained = False
        self._swept = loop.time()
        self._untold = 0
        self._closed = False

    @property
    def in_flight(self) -> int:
        """How many probes have started and not yet called their `done`."""
        return self._untold

    def start(self, check: Check, target: Target, deadline: float, done: Done, *, keep_evidence: bool = False) -> None:
        """Start one probe, as `checks.Carrier` says."""
        now = self._loop.time()
        probe = _Probe(check, target, deadline, done, now)
        probe.keep_evidence = keep_evidence
        path = cast("ReadsFile", check).file(target)
        self._sweep(now)
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = _Watched(path)
        file.askers[check, target] = now
        if now < file.until:
            self._untold += 1
            self._tell(probe, self._judged(probe, file))
            return
        if not file.looking:
            self._look(file, now)
        self._untold += 1
        probe.timer = self._loop.call_at(deadline, self._on_deadline, file, probe)
        file.waiting[probe] = None

    def close(self) -> None:
        """Drop every probe without calling its `done`, and watch nothing more."""
        self._closed = True
        self._threads.close()
        for file in self._files.values():
            for timer in (file.hint, *(probe.timer for probe in file.waiting)):
                if timer is not None:
                    timer.cancel()
        self._files.clear()
        self._untold = 0
        if self._inotify is not None:
            self._loop.remove_reader(self._inotify.file)
            self._inotify.close()
            self._inotify = None

    # Looks

    def _look(self, file: _Watched, now: float) -> None:
        self._threads.run(partial(self._looked, file, self._watcher(now)))
        self._looking += 1
        file.looking = True
        file.changes_before = file.changes

    def _looked(self, file: _Watched, inotify: Inotify | None) -> None:
        try:
            found = look(file.path, inotify)
        except Exception as error:  # noqa: BLE001  the loop's thread tells what it is
            found = Look(error)
        post(self._loop.call_soon_threadsafe, self._on_looked, file, found)

    def _on_looked(self, file: _Watched, found: Look) -> None:
        if self._closed:
            return
        file.looking = False
        self._looking -= 1
        self._rely_on(file, found)
        if not self._looking:
            self._early.clear()
        now = self._loop.time()
        changed = file.changes != file.changes_before
        file.looks += 1
        if changed and file.waiting and file.looks < LOOKS:
            self._look_again(file, now)
            return
        file.looks = 0
        file.seen = found.seen
        if file.watch is not None and not changed and not found.elsewhere:
            file.until = now + LOOK_AGAIN_SECONDS
        for probe in list(file.waiting):
            del file.waiting[probe]
            self._tell(probe, self._judged(probe, file))
        if changed:
            self._hint_soon(file)

    def _look_again(self, file: _Watched, now: float) -> None:
        try:
            self._look(file, now)
        except OSError as error:
            for probe in list(file.waiting):
                del file.waiting[probe]
                self._tell(probe, _not_sent(not_sent(error)))

    def _on_deadline(self, file: _Watched, probe: _Probe) -> None:
        del file.waiting[probe]
        granted = show_seconds(float(f"{probe.deadline - probe.asked:.2g}"))
        self._tell(probe, _not_sent(f"not sent: {file.path} could not be read within {granted}"))

    # Watches

    def _watcher(self, now: float) -> Inotify | None:
        if self._inotify is None and now - self._inotify_tried >= INOTIFY_AGAIN_SECONDS:
            self._inotify_tried = now
            try:
                self._inotify = Inotify()
            except OSError as error:
                self._complain(error)
            else:
                self._loop.add_reader(self._inotify.file, self._on_events, self._inotify)
        return self._inotify

    def _rely_on(self, file: _Watched, found: Look) -> None:
        """Take the watch that a look has set, and let go of the one before."""
        before = file.watch
        self._leave_watch(file)
        if found.watch is not None:
            file.watch, file.name = found.watch, found.name
            self._by_watch.setdefault(found.watch, {}).setdefault(found.name, set()).add(file)
            self._complained = False
            if found.watch in self._early:
                file.changes += 1
        elif found.fault is not None:
            self._complain(found.fault)
        if before is not None and before not in self._by_watch and self._inotify is not None:
            self._forget(self._inotify, before)

    def _leave_watch(self, file: _Watched) -> None:
        names = self._by_watch.get(file.watch) if file.watch is not None else None
        if names is not None and file.name in names:
            names[file.name].discard(file)
            if not names[file.name]:
                del names[file.name]
            if not names and file.watch is not None:
                del self._by_watch[file.watch]
        file.watch = None

    def _forget(self, inotify: Inotify, watch: int) -> None:
        try:
            inotify.forget(watch)
        except OSError:
            return  # its folder is gone, and so is the watch

    def _complain(self, error: OSError) -> None:
        """Say once that files cannot be watched, until one can."""
        if not self._complained:
            self._complained = True
            limit = f" ({LIMITS[error.errno]})" if error.errno in LIMITS else ""
            why = (error.strerror or str(error)).lower()
            self._teller.report(f"files cannot be watched, {why}{limit}: they are read at each probe instead")

    # Events

    def _on_events(self, inotify: Inotify) -> None:
        for event in inotify.events():
            if event.mask & IN_Q_OVERFLOW:
                self._teller.report(
                    "inotify's queue overflowed (sysctl fs.inotify.max_queued_events): every watched file is read again"
                )
                for file in list(self._files.values()):
                    self._changed(file)
                continue
            names = self._by_watch.get(event.watch)
            if names is None:
                self._early.add(event.watch)
                continue
            concerned = set().union(*names.values()) if event.mask & GONE else names.get(event.name, set())
            for file in list(concerned):
                if event.mask & IN_IGNORED:
                    self._leave_watch(file)
                self._changed(file)

    def _changed(self, file: _Watched) -> None:
        file.changes += 1
        file.until = float("-inf")
        self._hint_soon(file)

    def _hint_soon(self, file: _Watched) -> None:
        if file.hint is None:
            file.hint = self._loop.call_at(file.hinted + HINT_SECONDS, self._ask_for_probes, file)

    def _ask_for_probes(self, file: _Watched) -> None:
        file.hint = None
        file.hinted = self._loop.time()
        for check, target in list(file.askers):
            try:
                self._on_hint(check, target)
            except Exception as error:  # noqa: BLE001  the other files' hints must still go out
                self._teller.fault(check.type, target, error)

    def _sweep(self, now: float) -> None:
        if now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        for file in list(self._files.values()):
            for asker, asked in list(file.askers.items()):
                if now - asked > FORGET_SECONDS:
                    del file.askers[asker]
            if not file.askers and not file.looking:
                self._rely_on(file, Look(None))
                del self._files[file.path]

    # Ends

    def _judged(self, probe: _Probe, file: _Watched) -> ProbeResult:
        if isinstance(file.seen, Exception):
            if isinstance(file.seen, UnusableError | ValueError):
                return _not_sent(f"not sent: {file.seen}")
            return ProbeResult(False, self._teller.fault(probe.check.type, probe.target, file.seen), 0.0)
        try:
            verdict = cast("ReadsFile", probe.check).judge(file.seen)
            evidence = None
            if probe.keep_evidence or not verdict.passed:
                evidence = Evidence(received=without_secrets((file.seen or b"")[:EVIDENCE_BYTES]), peer=file.path)
            return ProbeResult(verdict.passed, verdict.reason, 0.0, True, evidence, verdict.warning, verdict.feedback)
        except UnusableError as error:
            return _not_sent(f"not sent: {error}")
        except Exception as error:  # noqa: BLE001  a check is third-party code
            return ProbeResult(False, self._teller.fault(probe.check.type, probe.target, error), 0.0)

    def _tell(self, probe: _Probe, result: ProbeResult) -> None:
        if probe.timer is not None:
            probe.timer.cancel()
        self._untold -= 1
        self._teller.later(probe.done, replace(result, seconds=self._loop.time() - probe.asked))


def _not_sent(reason: str) -> ProbeResult:
    return ProbeResult(False, reason, 0.0, sent=False)
