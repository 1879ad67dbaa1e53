"""Verdicts, streaks and the like as they are saved."""

from pathlib import Path

from healthlb.model.remembered import Remembered
from healthlb.store.file import StateFile
from healthlb.store.sense import see_health
from healthlb.store.shapes import read, written

NAME = "health.json"
VERSION = 1


def file_in(folder: Path) -> StateFile:
    """Return the file of health in a state directory."""
    return StateFile(folder / NAME, "health", VERSION)


def encode(remembered: Remembered) -> bytes:
    """Return the body of the file."""
    return written(remembered)


def decode(body: bytes) -> Remembered:
    """Return what a body says; raise ValueError where that is nothing sensible."""
    found = read(Remembered, body)
    see_health(found)
    return found
