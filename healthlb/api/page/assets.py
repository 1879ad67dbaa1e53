"""The page's own files: style, scripts and icons, read once and told apart by what they hold."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its media type, its entity tag (RFC 9110 section 8.8.3), and its bytes plain and as gzip."""

    content_type: str
    tag: str
    plain: bytes
    compressed: bytes


@cache
def assets() -> dict[str, Asset]:
    """Return the files by their names."""
    found = {}
    for each in files(__package__).iterdir():
        kind = _TYPES.get(each.name.rpartition(".")[2])
        if kind is not None and each.is_file():
            found[each.name] = _asset(kind, each.read_bytes())
    return found


def _asset(content_type: str, data: bytes) -> Asset:
    tag = f'W/"{hashlib.sha256(data).hexdigest()[:32]}"'
    return Asset(content_type, tag, data, gzip.compress(data, 9, mtime=0))
