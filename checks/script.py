"""`script`: run a program and judge its exit status, as Nagios, keepalived's MISC_CHECK or ldirectord's external do."""

import re
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from checks import CarrierName, Check, Feedback, Target, UnusableError, Verdict
from checks.options import Choice, ListOf, Matching, TableOf, Text, option
from checks.wire.placeholders import filled, misspelled, values
from checks.wire.programs import PATH, Ended, Program, runnable
from checks.wire.said import LINE_END
from checks.wire.showing import shown

MOST_SHOWN = 160
"""Characters of a script's first line that its reason may have."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
OURS = "HEALTHLB_"
NAME = Matching(r"[^\x00:\s/]{1,256}", "a name from the system's user database")


@dataclass(frozen=True, slots=True)
class Script(Check):
    """Run a program on the director; its exit status is the verdict and its first line of output the reason.

    There is no shell: the command is a list, in whose arguments {address}, {port}, {real_server}, {virtual_server},
    {virtual_address}, {virtual_port}, {protocol} and {fwmark} stand for the probe's target. The same are in the
    environment as HEALTHLB_ADDRESS and so on, with PATH and LANG, and nothing else. Arguments are shown in evidence and
    by ps(1): a secret belongs in a file. ldirectord's and HAProxy's scripts take {virtual_address}, {virtual_port},
    {address} and {port}. A Nagios plugin wants `exit_codes: nagios`: unless that is said, its warning is a failure.

    A director that is root runs it as the user healthlb_script, or else nobody, and only where nobody but root and that
    user could change the file or a folder above it. A director that is not root runs it as its own user, without its
    capabilities. It begins in / with an empty input, in the network namespace that `namespace` says. At the timeout,
    and when it ends, what is left of its process group is killed. For one real server it never runs twice at once.
    """

    type: ClassVar[str] = "script"
    known_as: ClassVar[dict[str, str]] = {
        "keepalived": "MISC_CHECK, BFD_CHECK",
        "ldirectord": "checktype = external, checktype = external-perl, service = oracle",
        "haproxy": "external-check",
    }
    per_server: ClassVar[bool] = True

    command: tuple[str, ...] = option(
        ListOf(Text(empty=True), single=True, minimum=1),
        "The program, by absolute path or by its name in the system's PATH, and its arguments.",
        keepalived="misc_path",
        ldirectord="checkcommand",
        haproxy="external-check command",
    )
    exit_codes: Literal["plain", "nagios", "keepalived"] = option(
        Choice(("plain", "nagios", "keepalived")),
        "plain: 0 passes, others fail; nagios: 0 passes, 1 passes with a warning, others fail; keepalived: 0 passes "
        "and leaves the weight, 1 fails, 2 to 255 pass and set the weight to two less.",
        "plain",
        keepalived="misc_dynamic",
    )
    user: str | None = option(
        NAME, "User to run as; default: healthlb_script or nobody; root must be said.", None, keepalived="user"
    )
    group: str | None = option(NAME, "Group to run with; default: the user's own.", None, keepalived="user")
    environment: tuple[tuple[str, str], ...] = option(
        TableOf(Text(empty=True)), "More variables; PATH and LANG replace ours.", (), haproxy="external-check path"
    )
    umask: str = option(Matching(r"0?[0-7]{3}", 'an octal mask such as "022"'), "Mode bits that files lack.", "022")

    @property
    def carrier(self) -> CarrierName:
        """Return that a process carries it."""
        return "process"

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        yield from (("command", sentence) for sentence in _command_faults(self.command))
        yield from (("environment", sentence) for sentence in _environment_faults(self.environment))

    def prepare(self) -> str | None:
        """Look for the program and the user."""
        try:
            runnable(Program(self.command, user=self.user, group=self.group))
        except UnusableError as error:
            return str(error)
        return None

    def program(self, target: Target) -> Program:
        """Return what to run for this target. Raise UnusableError."""
        known = values(target)
        variables = {"PATH": PATH, "LANG": "C.UTF-8"}
        variables.update((f"{OURS}{name.upper()}", value) for name, value in known.items())
        variables.update(self.environment)
        arguments = (filled(argument, known) for argument in self.command[1:])
        return Program(
            (self.command[0], *arguments),
            tuple(variables.items()),
            self.user,
            self.group,
            int(self.umask, 8),
            target.way.namespace,
        )

    def ended(self, end: Ended) -> Verdict:
        """Judge how the script ended."""
        if end.signal:
            return Verdict(False, _with(f"killed by {signal_name(end.signal)}", _first_line(end)))
        match self.exit_codes:
            case "nagios":
                return _nagios(end.status, _first_line(end).partition("|")[0].strip())
            case "keepalived" if end.status >= 2:
                weight = end.status - 2
                return Verdict(True, _with(f"weight {weight}", _first_line(end)), feedback=Feedback(weight))
            case _:
                line = _first_line(end)
                return Verdict(end.status == 0, (line if end.status == 0 else "") or _with(_status(end.status), line))


def _nagios(status: int, line: str) -> Verdict:
    """Judge as the Monitoring Plugins' guidelines say: OK, WARNING, CRITICAL, UNKNOWN; after `|` are numbers."""
    match status:
        case 0:
            return Verdict(True, line or _status(0))
        case 1:
            return Verdict(True, line or _status(1), warning=line or "the script warns (exit status 1)")
        case 2:
            return Verdict(False, _with(_status(2), line))
        case 3:
            return Verdict(False, _with(f"{_status(3)} (unknown)", line))
        case _:
            return Verdict(False, _with(f"{_status(status)}, which is none of 0 to 3", line))


def _status(status: int) -> str:
    return f"exit status {status}"


def _with(what: str, line: str) -> str:
    return f"{what}: {line}" if line else what


def _first_line(end: Ended) -> str:
    for text in (end.output, end.errors):
        for line in LINE_END.split(text):
            if line.strip():
                return shown(line.strip(), MOST_SHOWN)
    return ""


def signal_name(number: int) -> str:
    """Return `signal 11 (segmentation fault)`."""
    words = signal.strsignal(number) if number < signal.NSIG else None
    return f"signal {number} ({words.lower()})" if words else f"signal {number}"


def _command_faults(command: tuple[str, ...]) -> Iterator[str]:
    program = command[0]
    if not program:
        yield "the program's name is empty"
    elif "/" in program and not program.startswith("/"):
        yield f"'{program}' must be an absolute path, or a name without / to be found in {PATH}"
    elif "{" in program:
        yield "the program itself is the same for every server; {address} and its like are for its arguments"
    elif len(command) == 1 and any(character.isspace() for character in program):
        yield "there is no shell to split it: write the program and each argument as an entry of a list"
    for argument in command:
        if "\0" in argument:
            yield "an argument cannot hold a zero byte (execve(2))"
    for argument in command[1:]:
        yield from misspelled(argument)


def _environment_faults(environment: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for name, value in environment:
        if VARIABLE.fullmatch(name) is None:
            yield f"'{shown(name)}' cannot be a variable's name: letters, digits and _, not a digit first"
        elif name.startswith(OURS):
            yield f"{name}: names that begin with {OURS} are healthlb's own"
        if "\0" in value:
            yield f"{shown(name)}: a variable cannot hold a zero byte (execve(2))"
