"""`file`: a file on the director says how much work a real server gets (keepalived's FILE_CHECK, maintenancedir)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from checks import FILE, MOST_WEIGHT, CarrierName, Check, Feedback, Target, UnusableError, Verdict
from checks.options import Choice, option
from checks.wire.placeholders import filled, misspelled, values
from checks.wire.said import first_line, understood
from checks.wire.showing import shown

AS_CONFIGURED = 100
"""Percent: a file says all that there is to say, so what it leaves out is as the configuration has it."""


@dataclass(frozen=True, slots=True)
class File(Check):
    """Go by a file on the director: its first line is the server's weight, or a word such as drain.

    The line holds a weight of 0 to 65535 (0 drains), a share of the configured weight such as 75%, or drain, maint,
    ready, up or down; what follows ` #` is shown as the reason. down is a failure, the others are not. What the line
    does not say is as configured: taking `drain` out of it ends the drain; only a mere `down` leaves that as it was. A
    line that says none of this, or is empty because somebody is just writing it, changes nothing: the probe counts as
    not sent.

    The file is watched (inotify(7)): a change is acted on at once, and probes in between do not touch the disk, but
    every half a minute, for file systems that tell of no changes that other machines make. A path through a symbolic
    link is read at each probe. With `meaning: maintenance` the file's mere presence is maintenance, as in ldirectord's
    maintenancedir.

    Weights and drains act at once; down is a failure like any other, of which it takes `fall`. keepalived adds its
    file's number to the weight, or fails the server; here the number is the weight.
    """

    type: ClassVar[str] = "file"
    known_as: ClassVar[dict[str, str]] = {"keepalived": "FILE_CHECK", "ldirectord": "maintenancedir"}
    per_server: ClassVar[bool] = True

    path: str = option(
        FILE,
        "Absolute path, in which {address}, {port}, {real_server} and {virtual_server} and so on stand for the target.",
        keepalived="track_file",
        ldirectord="maintenancedir",
    )
    meaning: Literal["weight", "maintenance"] = option(
        Choice(("weight", "maintenance")),
        "weight: the first line counts; maintenance: the server is in maintenance while there is a file.",
        "weight",
    )
    missing: Literal["fail", "pass"] = option(
        Choice(("fail", "pass")),
        "What a missing file is where its line counts: a failure, or a pass with all as configured.",
        "fail",
    )

    @property
    def carrier(self) -> CarrierName:
        """Return that a file carries it."""
        return "file"

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        if not self.path.startswith("/"):
            yield "path", f"'{shown(self.path)}' must be an absolute path"
        if self.path.endswith(("/", "/.", "/..")):
            yield "path", f"'{shown(self.path)}' is a folder's name"
        yield from (("path", sentence) for sentence in misspelled(self.path))

    def file(self, target: Target) -> str:
        """Return the path for this target. Raise UnusableError."""
        return filled(self.path, values(target))

    def judge(self, content: bytes | None) -> Verdict:
        """Judge what the file says."""
        if self.meaning == "maintenance":
            return _maintenance(content)
        if content is None:
            if self.missing == "fail":
                return Verdict(False, "the file is missing")
            return Verdict(True, "the file is missing: all is as configured", feedback=_feedback())
        line = first_line(content)
        said = understood(line, weights=True)
        if said.unknown or said.maxconn or said.nothing:
            raise UnusableError(_misfit(line, said.unknown or said.maxconn))
        if said.down and said.weight is None and said.admin is None:
            # It takes `fall` results until this counts; a drain that it follows must not end meanwhile.
            return Verdict(False, f"the file says {said}")
        if said.weight is None:
            feedback = _feedback(said.admin)
        else:
            feedback = Feedback(said.weight, said.percent, said.admin or "ready")
        return Verdict(not said.down, f"the file says {said}", feedback=feedback)


def _feedback(admin: Literal["ready", "drain", "maint"] | None = None) -> Feedback:
    return Feedback(AS_CONFIGURED, percent=True, admin=admin or "ready")


def _maintenance(content: bytes | None) -> Verdict:
    if content is None:
        return Verdict(True, "there is no maintenance file", feedback=Feedback(admin="ready"))
    line = shown(first_line(content).strip())
    reason = "in maintenance, for there is the file" + (f": {line}" if line else "")
    return Verdict(True, reason, feedback=Feedback(admin="maint"))


def _misfit(line: bytes, word: str) -> str:
    if not line.strip():
        return "the file's first line is empty"
    if not word:
        return f"the file's first line says nothing: '{shown(line)}'"
    return f"the file's word '{shown(word)}' is no weight of 0 to {MOST_WEIGHT}, no percentage and no known word"
