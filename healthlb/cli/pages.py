"""What `--help` and the manual pages say of each verb beyond its options: imported only where somebody asks."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Page(NamedTuple):
    """What is told of one verb: paragraphs, examples with what each is for, and what the exit statuses say."""

    about: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    statuses: Mapping[int, str] = {}


def ending(page: Page) -> str:
    """Return what a verb's help ends with; a line that begins with a space is one of a list."""
    parts = [_list("exit status", ((str(status), what) for status, what in page.statuses.items()))]
    parts += ["examples:\n" + "\n".join(f"  {line}\n      {what}" for line, what in page.examples)]
    return "\n\n".join(part for part in parts if "\n" in part)


def _list(title: str, rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join([f"{title}:", *(f"  {name:4}{what}" for name, what in rows)])


_WRONG = "wrong use, or there is no server of that name"
_CHANGED = {
    0: "it is in force",
    1: "it was refused, or the director cannot be reached",
    2: _WRONG,
}

_CHANGED_FOR_HOSTS = _CHANGED | {1: "it was refused, no server is at --host now, or the director cannot be reached"}

PAGES: Mapping[str, Page] = {
    "run": Page(
        (
            (
                "The director stays in the foreground, logs to standard error and tells systemd when it is ready "
                "(sd_notify(3)). It needs the capability CAP_NET_ADMIN, and CAP_NET_RAW for ping and half-open checks."
            ),
            (
                "A start adopts the rows that it finds in the table; a stop leaves them there, unless director.on_stop "
                "says otherwise. With --dry-run nothing in the kernel is touched: the table is kept in memory."
            ),
        ),
        (
            ("healthlb run", "serve by /etc/healthlb/healthlb.yaml"),
            ("healthlb run --dry-run -c healthlb.yaml", "try a file out: real probes, a page, and no change at all"),
        ),
        {0: "stopped by SIGTERM or SIGINT", 1: "it failed", 2: "it cannot start; one sentence says why"},
    ),
    "release": Page(
        (
            (
                "While a director is master of VRRP instances, what it has in the kernel for them is written down in "
                "/run/healthlb/vrrp.json: addresses, routes, rules and interfaces. A director that stops takes all of "
                "it away itself, and one that starts takes away what was left."
            ),
            (
                "This verb is for the service manager's stop step (ExecStopPost in healthlb.service), when nobody else "
                "is alive to do it. It does nothing while a director of this machine speaks VRRP. It needs the "
                "capability CAP_NET_ADMIN."
            ),
        ),
        (("healthlb release", "after a crash, so that no address is on two directors"),),
        {
            0: "nothing is left of it",
            1: "something stays, as one sentence each says, or a director is using it",
            2: "wrong use",
        },
    ),
    "validate": Page(
        (
            (
                "Every fault is listed with its line and column. Warnings tell what is allowed and hardly meant. "
                "No name is resolved and nothing is probed."
            ),
        ),
        (("healthlb validate -c healthlb.yaml", "before the file is put in its place"),),
        {0: "the file is good", 2: "it is not"},
    ),
    "plan": Page(
        (
            (
                "The file is laid beside the kernel's table, the verdicts of the running director and the changes that "
                "operators made at run time. Reading the table needs CAP_NET_ADMIN."
            ),
        ),
        (
            ("healthlb plan -c healthlb.yaml", "what would a reload of this file do?"),
            ("healthlb plan --limit 20%", "in a script that must not take out more than a fifth"),
        ),
        {
            0: "nothing would change",
            1: "the table cannot be read, or more than --limit would go out",
            2: "something would change, or wrong use",
        },
    ),
    "reload": Page(
        (
            (
                "A file with a fault is refused, and the configuration in force stays in force. So is one that would "
                "take out more of the live weight than director.max_reload_change allows, unless --force is given."
            ),
        ),
        (("healthlb reload --wait --why 'two more servers'", "and say what came of it"),),
        {0: "it was asked for, with --wait: it is in force", 1: "it was refused, or nobody answers", 2: "wrong use"},
    ),
    "status": Page(
        (
            (
                "What is wrong comes first. Colours are for terminals alone. With --vs only the virtual servers that "
                "are named count for the exit status."
            ),
            (
                "As a plugin of Nagios (--nagios) it ends with 0 OK, 1 WARNING (degraded), 2 CRITICAL (down, in panic, "
                "or no director) or 3 UNKNOWN (wrong use); with --ipvsadm it ends with 0."
            ),
        ),
        (
            ("healthlb status", "is anything wrong?"),
            ("healthlb status --problems", "only what somebody should look after"),
            ("healthlb status --watch", "drawn in place until q or Ctrl-C"),
            ("healthlb status --ipvsadm --stats", "as `ipvsadm -Ln --stats` prints it"),
            ("healthlb status --nagios --vs shop", "one line for Nagios, with performance data"),
            ("healthlb status --json | jq .virtual_servers[].state", "for programs"),
        ),
        {
            0: "all is well",
            1: (
                "a virtual server is degraded, in panic or down, the director says that something fails, or it cannot "
                "be reached"
            ),
            2: _WRONG,
        },
    ),
    "explain": Page(
        (
            (
                "In sentences: the checks with their streaks, the policy, what operators changed, the kernel's row, "
                "the last change with its evidence, and what would bring the server back, when at the earliest."
            ),
            (
                "With the name of a VRRP instance: who is master and why, what the priority is made of, the last "
                "changes, and what would make this director MASTER. A virtual server of the same name goes first."
            ),
        ),
        (
            ("healthlb explain shop web1", "why does it have the weight that it has?"),
            ("healthlb explain shop", "why is the virtual server degraded?"),
            ("healthlb explain VI_1", "why is this director BACKUP?"),
        ),
        {
            0: "it is as the file wants it",
            1: "it is not, or the director cannot be reached",
            2: _WRONG,
        },
    ),
    "events": Page(
        (
            (
                "The running director is asked; where none answers, its journal is read from director.state_dir. "
                "Moments are local time."
            ),
        ),
        (
            ("healthlb events --since 2h --vs shop", "what happened to the shop since two hours ago"),
            ("healthlb events --follow", "what happens from now on"),
            ("healthlb events --name real_server_down --json", "one JSON object a line"),
        ),
        {0: "done, also where nothing fits", 1: "neither a director nor its journal can be read", 2: "wrong use"},
    ),
    "drain": Page(
        (
            (
                "Weight 0: no new connection comes, those that are open go on. --host means the address wherever it "
                "appears, also in virtual servers that a reload brings later. UDP clients count until the kernel has "
                "forgotten them, persistent ones as long as the kernel would still send them there."
            ),
            "A drain outlives restarts and reloads until `healthlb undrain` takes it back, or --for has passed.",
        ),
        (
            ("healthlb drain shop web1", "one server of one virtual server"),
            ("healthlb drain --host 192.0.2.11 --wait --why 'new kernel'", "may this machine be rebooted now?"),
        ),
        {
            0: "the drain is in force; with --wait: it is safe to take the server away",
            1: "it was refused, no server is at --host now, nobody answers, or with --wait: connections are left",
            2: _WRONG,
            130: "interrupted while it waited; the drain stays",
        },
    ),
    "undrain": Page(
        ("Takes back what `drain` and `disable` did; `enable` is the same verb.",),
        (("healthlb undrain --host 192.0.2.11", "the machine is back"),),
        _CHANGED,
    ),
    "disable": Page(
        ("Its row leaves the table now, and with it the way of its connections. `drain` is the gentle way.",),
        (("healthlb disable shop web1 --for 10m", "back by itself after ten minutes"),),
        _CHANGED_FOR_HOSTS,
    ),
    "weight": Page(
        ("The weight stands in the place of the configured one: health, slow start and the rest go on from it.",),
        (
            ("healthlb weight shop web1 5 --for 2h", "back to the file's weight after two hours"),
            ("healthlb weight shop web1 --reset", "back to the file's weight now"),
        ),
        _CHANGED_FOR_HOSTS,
    ),
    "add": Page(
        (
            (
                "The server is probed and takes connections as one of the file would; it outlives restarts and "
                "reloads. With nothing but the address or name of a server that was removed, that server comes back."
            ),
        ),
        (
            ("healthlb add shop 192.0.2.15:80 --weight 100 --why sale", "one more server"),
            ("healthlb add shop 192.0.2.15:80 --set slow_start=30s", "with a key of the file"),
        ),
        _CHANGED,
    ),
    "remove": Page(
        ("It stays out over restarts and reloads until `healthlb add` brings it back.",),
        (("healthlb remove shop 192.0.2.15:80 --wait", "once no connection is left"),),
        {0: "it is out of the pool", 1: "it is not", 2: _WRONG, 130: "interrupted while it waited"},
    ),
    "failover": Page(
        (
            (
                "This director gives up mastership and stays BACKUP until --back, or until no other master is heard. "
                "With vrrp.peer in the file the other director is asked for its status first: where a virtual server "
                "is worse off there, a real server is out or connections are not taken in, nothing is done and the "
                "differences are told. --force goes on all the same."
            ),
            "--back lets it become master again if its priority is the higher one; it is compared in the same way.",
        ),
        (
            ("healthlb failover VI_1 --why 'new kernel'", "before this director is rebooted"),
            ("healthlb failover VI_1 --back", "and afterwards"),
        ),
        {
            0: "it is handed over, or taken back",
            1: "it was refused, or the director cannot be reached",
            2: "wrong use, or there is no instance of that name",
        },
    ),
    "overrides": Page(
        ("Everything in which the running director differs from its file.",),
        (("healthlb overrides", "what did the last shift leave behind?"),),
        {0: "done, also where there are none", 1: "the director cannot be reached", 2: "wrong use"},
    ),
    "probe": Page(
        (
            (
                "The probe goes out from this machine now, as the file says, whatever the director thinks. "
                "Nothing of it counts for the director."
            ),
        ),
        (
            ("healthlb probe shop web1", "every check of one server"),
            ("healthlb probe shop web1 --check web", "one of them"),
        ),
        {
            0: "every check passed",
            1: "one did not",
            2: "wrong use, nothing has such a name, or the file has a fault",
            130: "interrupted",
        },
    ),
    "checks": Page(
        ("Types that other packages bring are among them.",),
        (("healthlb checks http", "what may be said of an HTTP check?"),),
        {0: "done", 2: "there is no such type"},
    ),
    "schema": Page(
        ("JSON Schema, draft 2020-12, for editors that complete and check YAML by it.",),
        (("healthlb schema > healthlb.schema.json", "for an editor's settings"),),
        {0: "done"},
    ),
    "completion": Page(
        (
            (
                "Packages bring these scripts along. Names are asked of the running director, which has a second to "
                "answer; HEALTHLB_COMPLETION_SECONDS in the environment gives it more."
            ),
        ),
        (
            ("source <(healthlb completion bash)", "in ~/.bashrc; in ~/.zshrc the same with zsh, after compinit"),
            ("healthlb completion fish > ~/.config/fish/completions/healthlb.fish", "for fish"),
        ),
        {0: "done"},
    ),
}

STATUSES: Mapping[int, str] = {
    0: "done",
    1: "the answer is no, or it failed",
    2: "wrong use, a name that nothing has included, or a configuration with faults",
    130: "interrupted",
}
"""What the exit statuses say where a verb's own page does not say more."""

ENVIRONMENT: Mapping[str, str] = {
    "STATE_DIRECTORY": "Where `run` keeps state when director.state_dir is not given, as systemd.exec(5) sets it.",
    "NOTIFY_SOCKET, WATCHDOG_USEC": "Where and how often `run` tells systemd that it is well (sd_notify(3)).",
    "NO_COLOR": "Set to anything, nothing is coloured; nor is it where TERM is dumb.",
    "COLUMNS": "The width of what is shown, where the terminal's is not the one that is wanted.",
    "SUDO_USER, LOGNAME": "Who is behind a change, as the director is told.",
    "HEALTHLB_COMPLETION_SECONDS": "Seconds that a shell waits for names from the director; 1 by default.",
    "others": "The configuration file may name any as ${NAME} or ${NAME:-default}.",
}
FILES: Mapping[str, str] = {
    "/etc/healthlb/healthlb.yaml": "The configuration, see healthlb.yaml(5).",
    "/run/healthlb/admin.sock": "Where the director takes commands; the socket's mode is the permission to give them.",
    "/var/lib/healthlb": "What outlives a restart: orders, health, and events.db, the journal of events.",
}
SIGNALS: Mapping[str, str] = {
    "SIGHUP": "Reload. A file with a fault is refused, and what was in force stays in force.",
    "SIGTERM, SIGINT": "Stop. The table is left as director.on_stop says.",
    "SIGUSR1": "Log a full status.",
}
