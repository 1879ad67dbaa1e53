"""The command line: finds the verb, and turns what goes wrong into one sentence and an exit status."""

import argparse
import sys
from collections.abc import Sequence

from healthlb import __version__
from healthlb.cli import plan, probe, run, schema, status, validate
from healthlb.cli.words import UsageError, complain

VERBS = (run, validate, plan, status, probe, schema)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status: 0 done, 1 the answer is no or it failed, 2 wrong use or bad config."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    try:
        status_code: int = parsed.run(parsed)
    except UsageError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001  no traceback reaches an operator
        from healthlb.daemon.fault import describe  # noqa: PLC0415

        complain(describe(error))
        return 1
    return status_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="healthlb", description="Probes real servers and keeps the kernel's IPVS table true to their health."
    )
    parser.add_argument("--version", action="version", version=f"healthlb {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for verb in VERBS:
        each = verbs.add_parser(verb.NAME, help=verb.HELP, description=verb.HELP)
        verb.add_arguments(each)
        each.set_defaults(run=verb.run)
    return parser
