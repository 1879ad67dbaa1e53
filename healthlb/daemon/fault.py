"""An unforeseen exception in one line: enough to report it, short enough to read at night."""

import traceback
from pathlib import PurePath


def describe(error: BaseException) -> str:
    """Return the exception's type and text, and the innermost places that it came through."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"internal fault, please report it: {type(error).__name__}: {error} at {places or 'an unknown place'}"
