"""From a configured probe to what the engine is asked for."""

from typing import cast

from checks import DIRECT, Check, Target, Way
from healthlb.model.check import Probe


def check_of(probe: Probe) -> Check:
    """Return the settings of the probe's type, which the configuration holds unread."""
    return cast("Check", probe.check.conversation)


def target_of(probe: Probe) -> Target:
    """Return where a probe goes and by which way. One object a probe is enough: make it once, not for each start."""
    way = DIRECT if probe.check.way is None else cast("Way", probe.check.way)
    return Target(probe.target.address, probe.target.port, way, probe.context)
