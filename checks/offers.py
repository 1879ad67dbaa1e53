"""Whether any package may offer check types, seen from its files alone.

importlib.metadata takes as long to import as everything else that validates a file, and hardly a host needs it.
"""

import os
import sys
from importlib.machinery import PathFinder


def may_be_offered(group: str) -> bool:
    """Whether a package on the path mentions an entry-point group, or there are packages that no path tells of."""
    if any(finder is not PathFinder and hasattr(finder, "find_distributions") for finder in sys.meta_path):
        return True
    return any(_mentioned(folder or ".", group.encode()) for folder in sys.path)


def _mentioned(folder: str, group: bytes) -> bool:
    """Whether packages of a folder mention a group; of an archive that cannot be told."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  pathlib is slow to start
    except NotADirectoryError:
        return True
    except OSError:
        return False
    return any(
        group in _entry_points(f"{folder}/{name}")
        for name in names
        if name.lower().endswith((".dist-info", ".egg-info")) or name.lower() == "egg-info"
    )


def _entry_points(package: str) -> bytes:
    """Return what a package says that it offers (packaging.python.org, entry points specification)."""
    try:
        with open(f"{package}/entry_points.txt", "rb") as file:  # noqa: PTH123  as above
            return file.read()
    except OSError:
        return b""
