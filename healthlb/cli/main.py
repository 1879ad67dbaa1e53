"""The command line: finds the verb, and turns what goes wrong into one sentence and an exit status."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from healthlb import __version__
from healthlb.cli.words import OutputError, UsageError, complain, finish_output, open_streams

VERBS = {
    "run": "probe the real servers and keep the IPVS table true, until stopped",
    "validate": "check a configuration file and list every fault in it",
    "plan": "show what a reload would change in the kernel; exit status 0: nothing, 2: something",
    "status": "show the virtual servers, their real servers, and why each is as it is",
    "probe": "probe one real server once and show everything that was seen",
    "checks": "list the check types, or show the options of one",
    "schema": "print the JSON Schema of the configuration file",
}
"""What each verb does. Its module is imported only when it is the one: a light command must not pay for a heavy one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status: 0 done, 1 the answer is no or it failed, 2 wrong use or bad config.

    130 says that it was interrupted, as shells have it.
    """
    open_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            parsed = _parser(given).parse_args(given)
            status = int(parsed.run(parsed))
        except SystemExit as end:  # argparse has said what is wrong, or what was asked for
            status = int(end.code or 0)
        finish_output()
    except UsageError as error:
        complain(str(error))
        return 2
    except OutputError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001  no traceback reaches an operator
        from healthlb.daemon.fault import describe  # noqa: PLC0415

        complain(describe(error))
        return 1
    return status


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="healthlb", description="Probes real servers and keeps the kernel's IPVS table true to their health."
    )
    parser.add_argument("--version", action="version", version=f"healthlb {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    chosen = next((word for word in given if not word.startswith("-")), None)
    for name, purpose in VERBS.items():
        each = verbs.add_parser(name, help=purpose, description=purpose)
        if name == chosen:
            verb = importlib.import_module(f"healthlb.cli.{name}")
            verb.add_arguments(each)
            each.set_defaults(run=verb.run)
    return parser
