"""Directors and their commands that start in a moment: one Python has imported everything and forks them.

Run with a director's arguments, or without (nursery.py asks by then). Each line of standard input is answered by one:

- an empty line forks a director with our own arguments; its process id is the answer;
- `{"arguments": …, "namespace": …, "log": …, "errors": …, "binds": …, "environment": …, "directory": …}` forks one with
  those, in a network namespace, with what it says in two files, which may be one, and `[[SOURCE, TARGET], …]` bound in
  a mount namespace of its own;
- `{"ended": PROCESS}` is answered with its exit status, negative for a signal, or with null while it runs.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

EVERYTHING = (
    *("healthlb.cli.run", "healthlb.daemon.app", "healthlb.daemon.logs", "healthlb.daemon.signals"),
    *("healthlb.linux.crafting", "healthlb.linux.ipvs", "healthlb.linux.memory"),
    *("pyroute2.netlink.rtnl.ifaddrmsg", "pyroute2.netlink.rtnl.ifinfmsg"),
    *("pyroute2.netlink.rtnl.fibmsg", "pyroute2.netlink.rtnl.rtmsg"),
    *("scapy.layers.inet", "scapy.layers.inet6", "scapy.layers.l2", "scapy.layers.vrrp"),
)
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Answer every line."""
    # What is forked is the code beside us, whatever is installed.
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import checks

    types = (f"checks.{each.name}" for each in pkgutil.iter_modules(checks.__path__))
    for module in (*EVERYTHING, *types, "checks.web.over_http2"):
        importlib.import_module(module)
    # What the collector does not look at need not be copied after a fork, which takes a guest long.
    gc.collect()
    gc.freeze()
    ended: dict[int, int] = {}
    for line in sys.stdin:
        with contextlib.suppress(ChildProcessError):
            while (gone := os.waitpid(-1, os.WNOHANG))[0]:
                ended[gone[0]] = os.waitstatus_to_exitcode(gone[1])
        asked = json.loads(line) if line.strip() else {"arguments": ["run", *sys.argv[1:]]}
        print(json.dumps(ended.get(asked["ended"]) if "ended" in asked else fork(asked)), flush=True)


def fork(asked: dict[str, Any]) -> int:
    """Fork a director and return its process id."""
    if child := os.fork():
        return child
    from healthlb.cli.main import main as director

    status = 70
    try:
        settle(asked)
        status = director(asked["arguments"])
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else status
    finally:
        end(status)


def settle(asked: dict[str, Any]) -> None:
    """Be where the director is to run."""
    signal.set_wakeup_fd(-1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if "log" not in asked:
        return
    os.setsid()
    for own, file in ((1, asked["log"]), (2, asked["errors"])):
        output = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, own)
        os.close(output)
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    os.chdir(asked["directory"])
    namespace = os.open(asked["namespace"], os.O_RDONLY)
    done(_libc.setns(namespace, CLONE_NEWNET))
    os.close(namespace)
    if asked["binds"]:
        done(_libc.unshare(CLONE_NEWNS))
        done(_libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    for source, target in asked["binds"]:
        done(_libc.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None))


def done(result: int) -> None:
    """Raise OSError for a call that failed."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def end(status: int) -> NoReturn:
    """End as Python does, but without what the forking process would do at its own end."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
