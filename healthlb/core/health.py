"""The rise and fall machine of one check on one target, and how several checks make one verdict.

The machine, from the results alone (a probe that could not be sent is no result and is never shown to it):

    verdict   result   streak reaches   new verdict   next probe after
    UNKNOWN   pass     rise             UP            interval
    UNKNOWN   fail     fall             DOWN          down_interval
    UNKNOWN   either   less             UNKNOWN       fast_interval
    UP        pass     any              UP            interval
    UP        fail     fall             DOWN          down_interval
    UP        fail     less             UP            fast_interval
    DOWN      fail     any              DOWN          down_interval
    DOWN      pass     rise             UP            interval
    DOWN      pass     less             DOWN          fast_interval
"""

from collections.abc import Sequence

from healthlb.model.health import CheckState, Health, Require, Schedule

JITTER = 0.05
"""The share of an interval by which the next start may come early or late."""


def observe(state: CheckState, passed: bool, schedule: Schedule) -> CheckState:
    """Return the state after one more result."""
    streak = state.streak + 1 if state.passing == passed else 1
    if streak < (schedule.rise if passed else schedule.fall):
        return CheckState(state.health, passed, streak)
    return CheckState(Health.UP if passed else Health.DOWN, passed, streak)


def next_interval(state: CheckState, schedule: Schedule) -> float:
    """Return the seconds from the start of the latest probe to the start of the next, before jitter."""
    if state.health is Health.UP and state.passing:
        return schedule.interval
    if state.health is Health.DOWN and not state.passing:
        return schedule.down_interval
    return schedule.fast_interval


def combine(require: Require, verdicts: Sequence[Health]) -> Health:
    """Return one verdict for the checks of a real server; without a check it is UP.

    `all`: one DOWN is enough for DOWN, UP needs every check. `any`: one UP is enough for UP, DOWN needs every check.
    """
    decisive, otherwise = (Health.DOWN, Health.UP) if require == "all" else (Health.UP, Health.DOWN)
    if not verdicts:
        return Health.UP
    if decisive in verdicts:
        return decisive
    return Health.UNKNOWN if Health.UNKNOWN in verdicts else otherwise
