"""Directors that start in a moment, for tests that kill many: one Python has imported everything and forks them.

Run with the director's arguments. Each line of standard input forks one director; its process id is the answer. A
director that ends is reaped at the next line.
"""

import contextlib
import os
import signal
import sys

import healthlb.cli.main
import healthlb.cli.run
import healthlb.daemon.app
import healthlb.daemon.logs
import healthlb.daemon.signals
import healthlb.linux.ipvs
import healthlb.linux.memory


def main() -> None:
    """Fork a director for every line."""
    for _ in sys.stdin:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        child = os.fork()
        if not child:
            signal.set_wakeup_fd(-1)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os._exit(healthlb.cli.main.main(["run", *sys.argv[1:]]))
        print(child, flush=True)


if __name__ == "__main__":
    main()
