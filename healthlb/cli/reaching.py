"""Where the verbs find the running director: by `--url`, by the file, or where a director is by default.

What is only read is asked of `api.listen`, what changes something of `api.admin`. A file that has become faulty since
the director read it must not keep an operator from draining a server: only a file that was named is insisted upon.
"""

import argparse
import os
import socket
from typing import TYPE_CHECKING

from healthlb.cli.client import DEFAULT_URL, Way, url_of
from healthlb.cli.words import DEFAULT_FILE, UsageError, complain, load

if TYPE_CHECKING:
    from healthlb.model.config import Config

DEFAULT_ADMIN = "unix:/run/healthlb/admin.sock"
_LONGEST_TOKEN = 4096
_CONNECTS_WITHIN = 1.0
"""Seconds for a connection to this machine itself."""


def add_director(parser: argparse.ArgumentParser, *, changes: bool = False) -> None:
    """Add the options that say where the director is; `changes`: where it takes commands."""
    key = "api.admin" if changes else "api.listen"
    parser.add_argument("-c", "--config", metavar="FILE", help=f"find the director where this file's {key} says")
    default = (
        f"where {DEFAULT_FILE} says, or {DEFAULT_ADMIN}"
        if changes
        else f"{DEFAULT_URL}, else where {DEFAULT_FILE} says"
    )
    parser.add_argument(
        "--url", help=f"http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: {default})"
    )
    if changes:
        parser.add_argument("--token-file", metavar="FILE", help="holds the admin token (default: api.token_file)")
    parser.add_argument("--ca-file", metavar="FILE", help="holds the certificates that an https director is trusted by")


def reading_way(arguments: argparse.Namespace) -> Way:
    """Return where to read; raise UsageError for a file that is named and faulty."""
    if arguments.url is not None:
        return Way(arguments.url, ca_file=arguments.ca_file)
    if arguments.config is None:
        return Way(_default_url(arguments))
    return Way(url_of(named(arguments.config).api.listen))


def _default_url(arguments: argparse.Namespace) -> str:
    """Return where a director is by default: where the default file says, unless one is at `DEFAULT_URL`.

    To read the file first would take longer than all the rest.
    """
    if _answers(DEFAULT_URL):
        return DEFAULT_URL
    config = file_or_none(arguments)
    return DEFAULT_URL if config is None else url_of(config.api.listen)


def _answers(url: str) -> bool:
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECTS_WITHIN):
            return True
    except OSError:
        return False


def admin_way(arguments: argparse.Namespace) -> Way:
    """Return where commands are taken; raise UsageError for a file that is named and faulty, or has no `api.admin`."""
    if arguments.url is not None:
        return Way(arguments.url, _token(arguments.token_file), arguments.ca_file)
    config = file_or_none(arguments)
    if config is None:
        return Way(DEFAULT_ADMIN, ca_file=arguments.ca_file)
    return way_of(config, arguments.token_file, arguments.ca_file)


def way_of(config: "Config", token_file: str | None = None, ca_file: str | None = None) -> Way:
    """Return where a file's director takes commands, with its token where that can be read; raise UsageError."""
    api = config.api
    if api.admin is None:
        raise UsageError(f"{config.path or 'the file'} has 'api.admin: none', so its director takes no commands")
    if api.admin.path is not None:
        return Way(url_of(api.admin))
    own = api.token_file
    token = _token(token_file) if token_file is not None or own is None or not os.access(own, os.R_OK) else _token(own)
    return Way(url_of(api.admin, tls=api.certificate_file is not None), token, ca_file, api.certificate_file)


def file_or_none(arguments: argparse.Namespace) -> "Config | None":
    """Return what the file that is named holds, else the default one; None where that is not there or faulty.

    Raise UsageError for a file that is named and faulty; that the default one is faulty is told.
    """
    if arguments.config is not None:
        return named(arguments.config)
    if not os.path.exists(DEFAULT_FILE):  # noqa: PTH110  pathlib takes long to import
        return None
    try:
        return load(DEFAULT_FILE)[1]
    except UsageError:
        complain(f"{DEFAULT_FILE} cannot be used, see `healthlb validate`; going by the defaults")
        return None


def named(path: str) -> "Config":
    """Return what a file that was named holds; raise UsageError, which says how the director is reached without it."""
    try:
        return load(path)[1]
    except UsageError as error:
        raise UsageError(
            f"{error}\n--url reaches the director without the file, unix:/PATH or http://HOST:PORT"
        ) from error


def _token(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            token = file.read(_LONGEST_TOKEN + 1).strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"the token cannot be read from {path}: {reason}") from error
    if not token or len(token) > _LONGEST_TOKEN or not token.isprintable() or " " in token:
        raise UsageError(f"{path} holds no token; write the admin token into it, one word and nothing else")
    return token
