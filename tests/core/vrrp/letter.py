"""The state machines of RFC 9568 section 6.4 and RFC 3768 section 6.4 once more, by the letter and nothing beyond.

Where docs/pairing.md departs from the letter, so does this, and says so.
"""

from dataclasses import dataclass
from typing import Literal

MOMENT = 1e-6
"""Seconds that are nothing: two ways to add up numbers are not the same to the last digit."""


@dataclass
class Letter:
    """One virtual router. Every method returns the priorities of the adverts that it sends; moments are seconds."""

    version: Literal[2, 3]
    priority: int
    advertisement_interval: float
    preempt_mode: bool
    address: bytes
    state: str = "INIT"
    adver_timer: float | None = None
    down_timer: float | None = None
    adver_interval: float = 0.0

    @property
    def skew_time(self) -> float:
        return (256 - self.priority) * (self.adver_interval if self.version == 3 else 1) / 256

    @property
    def down_interval(self) -> float:
        return 3 * self.adver_interval + self.skew_time

    def startup(self, now: float) -> list[int]:
        """Section 6.4.1."""
        self.adver_interval = self.advertisement_interval
        if self.priority == 255:
            return self._become_active(now)
        self._become_backup(now)
        return []

    def shutdown(self) -> list[int]:
        """Sections 6.4.2 and 6.4.3."""
        sent = [0] if self.state == "MASTER" else []
        self.adver_timer = self.down_timer = None
        self.state = "INIT"
        return sent

    def timers(self, now: float) -> list[int]:
        """Let fire what is due."""
        if self.down_timer is not None and self.down_timer <= now + MOMENT:
            return self._become_active(now)
        if self.adver_timer is not None and self.adver_timer <= now + MOMENT:
            self.adver_timer += self.advertisement_interval
            return [self.priority]
        return []

    def hears(self, now: float, priority: int, interval: float, source: bytes) -> list[int]:
        """Take an advert."""
        if self.state == "BACKUP":
            self._hears_as_backup(now, priority, interval)
            return []
        return self._hears_as_active(now, priority, interval, source) if self.state == "MASTER" else []

    def _hears_as_backup(self, now: float, priority: int, interval: float) -> None:
        if priority == 0:
            self.down_timer = now + self.skew_time
        elif not self.preempt_mode or priority >= self.priority:
            self._learn(interval)
            self.down_timer = now + self.down_interval

    def _hears_as_active(self, now: float, priority: int, interval: float, source: bytes) -> list[int]:
        if priority == 0:
            self.adver_timer = now + self.advertisement_interval
            return [self.priority]
        if self.priority != 255 and (priority, source) > (self.priority, self.address):  # An owner stays.
            self._learn(interval)
            self._become_backup(now)
            return [self.priority]  # A last advert, of which no RFC has a word.
        return [self.priority]  # RFC 3768 has it discarded without an answer.

    def _learn(self, interval: float) -> None:
        if self.version == 3:
            self.adver_interval = interval

    def _become_active(self, now: float) -> list[int]:
        self.state, self.down_timer = "MASTER", None
        self.adver_timer = now + self.advertisement_interval
        return [self.priority]

    def _become_backup(self, now: float) -> None:
        self.state, self.adver_timer = "BACKUP", None
        self.down_timer = now + self.down_interval
