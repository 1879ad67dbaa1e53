"""The pytest plugin that runs some tests inside guests, some in a second process, and reports them like any other.

The pytest that was started by hand collects everything, hands the selected node ids to one long-lived pytest in each
guest and in a second process on this machine (where there are enough to be worth it), and runs its own tests meanwhile.
Those append their reports, serialized by pytest itself, to a file that both sides see; they are replayed in order of
collection, so -k, -m, -x, node ids, --junitxml and --durations mean what they always mean.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boot import BOOT_DEADLINE, Guest, GuestError, chosen_mode
from neighbour import Neighbour

GUEST_FOLDERS = frozenset({"kernel"} if os.geteuid() == 0 else {"kernel", "interop"})
"""In a guest everybody is root, as the real servers that tests/interop starts want to be."""
ROOT_FILES = frozenset(
    () if os.geteuid() == 0 else ("test_half_open.py", "test_ping.py", "test_processes.py", "test_script.py")
)
"""Files of tests/checks whose raw sockets and other users only root has: for all others they run in a guest, too."""
NEIGHBOUR_FOLDERS = frozenset({"checks", "cli", "config", "interop", "page"})
"""What the second process runs: about half of the host's tests, and none that model's and core's coverage needs."""
WORTH_A_NEIGHBOUR = 500
"""Tests; fewer are done before a second pytest has collected them."""
GUESTS = 2
"""Guests side by side; each has one CPU. HEALTHLB_LAB_GUESTS overrides it."""
SILENCE = 400.0
"""Seconds without a word from a booted guest after which it is given up; a stuck test shows its stack well before."""
STACK_AFTER = 120
"""Seconds after which the guest's pytest prints every thread's stack."""
DURATIONS = "healthlb/guest-seconds"
"""Where pytest's cache has what each file cost."""
TYPICAL = Path(__file__).with_name("guest-seconds.json")
"""The same of one whole run, for where there was none yet: only how they compare matters."""


class Run:
    """The tests of one guest or neighbour: their selection on the way in, their reports on the way out."""

    def __init__(self, config: pytest.Config, nodeids: list[str], place: type[Guest | Neighbour]) -> None:
        files = dict.fromkeys(nodeid.split("::")[0] for nodeid in nodeids)
        self.place = place(
            [sys.executable, "-m", "pytest", *_options(config), *files],
            environment={"LAB_SELECTION": "yes"},
            directory=config.rootpath,
        )
        self._reports = self.place.shared / "reports"
        self._reports.touch()
        (self.place.shared / "selection").write_text(json.dumps(nodeids))
        self._offset = 0
        self._arrived: dict[str, list[dict[str, Any]]] = {nodeid: [] for nodeid in nodeids}
        self._finished: set[str] = set()
        self._heard = time.monotonic()
        self._failure: str | None = None

    def reports(self, nodeid: str) -> Iterator[dict[str, Any]]:
        """Yield the test's serialized reports as they come; raise GuestError if the rest of them never will."""
        self._heard = time.monotonic()  # while the host ran its own tests nobody listened
        while True:
            # The order matters: what a guest wrote before it ended has to be read after we saw that it ended.
            ended = self._failure or self._ended()
            self._read()
            yield from self._arrived[nodeid]
            self._arrived[nodeid].clear()
            if nodeid in self._finished:
                return
            if ended is not None:
                self._failure = ended
                raise GuestError(ended)
            time.sleep(0.02)

    def _ended(self) -> str | None:
        try:
            status = self.place.poll()
        except GuestError as error:
            return str(error)
        who = "guest" if isinstance(self.place, Guest) else "second process"
        if status is not None:
            tail = "\n".join(self.place.stdout.read_text(errors="replace").splitlines()[-40:])
            return (
                f"The {who}'s pytest ended with status {status} before this test.\n{tail}\n{self.place.console_tail()}"
            )
        patience = SILENCE if self.place.booted() else BOOT_DEADLINE
        if time.monotonic() - self._heard > patience:
            return f"The {who} has said nothing for {patience:g} s.\n{self.place.console_tail()}"
        return None

    def _read(self) -> None:
        with self._reports.open("rb") as stream:
            stream.seek(self._offset)
            fresh = stream.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._heard = time.monotonic()
            message = json.loads(line)
            if "report" in message:
                self._arrived[message["nodeid"]].append(message["report"])
            else:
                self._finished.add(message["nodeid"])


class HostSide:
    """What the controlling pytest does: start the others once all is collected, and replay what they report."""

    def __init__(self, config: pytest.Config, tests: Path) -> None:
        self._config = config
        self._tests = tests
        self._runs: list[Run] = []
        self._run_of: dict[str, Run] = {}
        self._seconds: dict[str, float] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the others' tests last: they run while our own are under way."""
        items.sort(key=lambda item: (self._belongs_to_guest(item), self._belongs_to_neighbour(item)))
        foreign = [item for item in items if self._belongs_to_guest(item) and item.get_closest_marker("private_kernel")]
        if foreign and _mode() == "host":
            items[:] = [item for item in items if item not in foreign]
            self._config.hook.pytest_deselected(items=foreign)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Start the guests and the neighbour."""
        foreign = [item.nodeid for item in session.items if self._belongs_to_guest(item)]
        near = [item.nodeid for item in session.items if self._belongs_to_neighbour(item)]
        broken = session.testsfailed and not session.config.option.continue_on_collection_errors
        if broken or session.config.option.collectonly:
            return
        if WORTH_A_NEIGHBOUR <= len(near) < len(session.items) - len(foreign):
            self._start(near, Neighbour)
        if foreign:
            _mode()
            for share in self._shares(foreign):
                self._start(share, Guest)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Replay a guest's reports of one test; an item of our own goes the usual way."""
        run = self._run_of.get(item.nodeid)
        if run is None:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        begun = False
        try:
            for data in run.reports(item.nodeid):
                report = self._config.hook.pytest_report_from_serializable(config=self._config, data=data)
                begun = True
                self._note(report)
                item.ihook.pytest_runtest_logreport(report=report)
        except GuestError as error:
            report = pytest.TestReport(
                nodeid=item.nodeid,
                location=item.location,
                keywords={item.name: 1},
                outcome="failed",
                longrepr=str(error),
                when="teardown" if begun else "setup",
            )
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_sessionfinish(self) -> None:
        """Remember what each file cost, for the next run's shares."""
        cache = getattr(self._config, "cache", None)
        if cache is not None and self._seconds:
            cache.set(DURATIONS, {**cache.get(DURATIONS, {}), **self._seconds})

    def pytest_unconfigure(self) -> None:
        """End the others, whatever ended the session."""
        for run in self._runs:
            run.place.close()

    def _start(self, nodeids: list[str], place: type[Guest | Neighbour]) -> None:
        run = Run(self._config, nodeids, place)
        self._runs.append(run)
        self._run_of.update(dict.fromkeys(nodeids, run))
        try:
            run.place.start()
        except GuestError as error:
            raise pytest.UsageError(str(error)) from error

    def _belongs_to_guest(self, item: pytest.Item) -> bool:
        if not item.path.is_relative_to(self._tests):
            return False
        parts = item.path.relative_to(self._tests).parts
        return parts[0] in GUEST_FOLDERS or (parts[0] == "checks" and parts[-1] in ROOT_FILES)

    def _belongs_to_neighbour(self, item: pytest.Item) -> bool:
        if not item.path.is_relative_to(self._tests) or self._belongs_to_guest(item):
            return False
        return item.path.relative_to(self._tests).parts[0] in NEIGHBOUR_FOLDERS

    def _note(self, report: pytest.TestReport) -> None:
        file = report.nodeid.split("::")[0]
        self._seconds[file] = self._seconds.get(file, 0.0) + report.duration

    def _shares(self, nodeids: list[str]) -> list[list[str]]:
        """Split by file, the dearest file first, each to the guest that has least; unknown files cost 1 s a test."""
        cache = getattr(self._config, "cache", None)
        known = {**json.loads(TYPICAL.read_text()), **(cache.get(DURATIONS, {}) if cache is not None else {})}
        files: dict[str, list[str]] = {}
        for nodeid in nodeids:
            files.setdefault(nodeid.split("::")[0], []).append(nodeid)
        cost = {file: known.get(file, float(len(members))) for file, members in files.items()}
        count = min(int(os.environ.get("HEALTHLB_LAB_GUESTS", GUESTS)), len(files))
        shares: list[list[str]] = [[] for _ in range(count)]
        loads = [0.0] * count
        for file in sorted(files, key=lambda file: -cost[file]):
            least = loads.index(min(loads))
            shares[least].append(file)
            loads[least] += cost[file]
        # Inside a share the host's own order holds: it waits for them in that order.
        return [[nodeid for file in files if file in share for nodeid in files[file]] for share in shares]


class OtherSide:
    """What the pytest elsewhere does beside running the tests: keep to the selection and write the reports."""

    def __init__(self, config: pytest.Config, shared: Path) -> None:
        self._config = config
        self._selection = frozenset(json.loads((shared / "selection").read_text()))
        self._reports = (shared / "reports").open("a")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what the host selected, in the host's order, which is the order of collection."""
        items[:] = [item for item in items if item.nodeid in self._selection]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Pass a report on."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._write({"nodeid": report.nodeid, "report": data})

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Say that no more reports of this test will come."""
        self._write({"nodeid": nodeid})

    def _write(self, message: dict[str, Any]) -> None:
        self._reports.write(json.dumps(message, default=str) + "\n")
        self._reports.flush()


def _options(config: pytest.Config) -> list[str]:
    """Return what shapes a guest's reports, from the host's command line."""
    options = [f"--rootdir={config.rootpath}", f"--tb={config.option.tbstyle}", "-p", "no:cacheprovider"]
    options += ["-o", f"faulthandler_timeout={STACK_AFTER}"]
    if config.inipath is not None:
        options += ["-c", str(config.inipath)]
    if config.option.showlocals:
        options.append("--showlocals")
    if config.option.verbose > 0:
        options.append("-" + "v" * config.option.verbose)
    return options


def _mode() -> str:
    try:
        return chosen_mode()
    except GuestError as error:
        raise pytest.UsageError(str(error)) from error
