"""Operators' orders as they are saved. The checksum of the file says that all of it is as it was written, or none."""

from pathlib import Path

from healthlb.model.overrides import Orders
from healthlb.store.file import StateFile
from healthlb.store.sense import see_orders
from healthlb.store.shapes import read, written

NAME = "orders.json"
VERSION = 1


def file_in(folder: Path) -> StateFile:
    """Return the file of operators' orders in a state directory."""
    return StateFile(folder / NAME, "orders", VERSION)


def encode(orders: Orders) -> bytes:
    """Return the body of the file."""
    return written(orders)


def decode(body: bytes) -> Orders:
    """Return what a body says; raise ValueError where that is nothing sensible."""
    found = read(Orders, body)
    see_orders(found)
    return found
