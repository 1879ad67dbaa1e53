"""What the tests of the director share: patience with a machine that is busy with other things."""

import pytest

from healthlb.daemon import app, controller, memory, operators
from healthlb.store import journal

BOUNDS = (
    (app, "KEPT"),
    (controller, "REFRESH_DEADLINE"),
    (memory, "SAVE_DEADLINE"),
    (memory, "START_DEADLINE"),
    (operators, "PASS_WAIT"),
    (journal, "READ_DEADLINE"),
)
"""What the director waits for a disk or a table that may be sick, a few seconds each."""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a director wait for well disks and tables however late they are; a test of a sick one sets its own bound."""
    for module, name in BOUNDS:
        monkeypatch.setattr(module, name, 60.0)
