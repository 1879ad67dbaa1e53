"""What somebody has to look after: the one rule by which the API, the page and the terminal call something a problem.

It is told in plain words and not in those of a snapshot, so that a reader of JSON can ask as well as the director.
"""

from typing import Literal

Concern = Literal["problem", "warning", ""]
"""A problem keeps traffic from going where it is meant to go, or may at any moment; a warning may become one."""


def of_server(
    health: str,
    admin: str,
    *,
    pooled_but_down: bool,
    held: bool,
    as_wanted: bool,
    unsent: bool,
    uneasy: bool,
) -> Concern:
    """Return what is to be said of a real server, or of a sorry server.

    `held`: it is held down for flapping. `as_wanted`: its row in the table is the one that is wanted. `unsent`: a check
    cannot be sent. `uneasy`: the latest result of a check failed, or warned.

    A server that is meant to be out, by an operator's word or by its own, may fail as it likes; that the table does not
    follow, or that the panic floor keeps it in, is a problem of it, too.
    """
    if pooled_but_down or held or not as_wanted:
        return "problem"
    if admin != "enabled":
        return ""
    if health != "up" or unsent:
        return "problem"
    return "warning" if uneasy else ""


def of_pool(state: str, *, quorum_met: bool, sorry_server_active: bool) -> Concern:
    """Return what is to be said of a virtual server itself, whatever its servers are: it is not all there, or it is."""
    return "problem" if state != "up" or not quorum_met or sorry_server_active else ""
