"""What the files look like from outside, so that a change of them shows without reading them."""

import glob
import os
from pathlib import Path

State = tuple[int, ...] | None


def state_of(path: str) -> State:
    """Return what tells a file from another one, or from itself before a change; None where there is none to be seen.

    A symbolic link is followed, so one that is swapped shows as well. The time of the last change of the inode tells
    what was replaced by a file of the same size and age (stat(2)).
    """
    try:
        seen = os.stat(path)  # noqa: PTH116  a path may hold what Path refuses
    except (OSError, ValueError):
        return None
    return (seen.st_dev, seen.st_ino, seen.st_mode, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def matches(folder: str, pattern: str) -> tuple[str, ...]:
    """Return the paths that a pattern below a folder means now, in order."""
    # It may be absolute, and ** must not wander through trees.
    return tuple(sorted(glob.glob(str(Path(glob.escape(folder)) / pattern))))  # noqa: PTH207


class Watched:
    """The files of a configuration: by what names and patterns they are found, and how each looked before that."""

    def __init__(self) -> None:
        self._patterns: dict[tuple[str, str], tuple[str, ...]] = {}
        self._named: dict[str, None] = {}
        self._states: dict[str, State] = {}

    def look(self, path: str) -> None:
        """Remember how a file looks that is named, whether it is there or not."""
        self._named[path] = None
        self._states.setdefault(path, state_of(path))

    def find(self, folder: str, pattern: str) -> tuple[str, ...]:
        """Return what a name or a pattern means, the same each time that it is asked for; remember how it looks."""
        if not glob.has_magic(pattern):
            path = str(Path(folder) / pattern)
            self.look(path)
            return (path,)
        if (folder, pattern) not in self._patterns:
            self._patterns[folder, pattern] = matches(folder, pattern)
        for path in self._patterns[folder, pattern]:
            self._states.setdefault(path, state_of(path))
        return self._patterns[folder, pattern]

    def as_read(self) -> frozenset[tuple[str, State]]:
        """Return how all files looked before they were read."""
        return frozenset(self._states.items())

    def now(self) -> frozenset[tuple[str, State]]:
        """Return how the files look now that the names and patterns mean now."""
        found = [path for folder, pattern in self._patterns for path in matches(folder, pattern)]
        return frozenset((path, state_of(path)) for path in (*self._named, *found))
