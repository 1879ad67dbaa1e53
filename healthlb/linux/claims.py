"""What the process that speaks VRRP may have put into the kernel, written down so that others can remove it.

Whoever starts that process writes it down first. Its parent withdraws it after its death, the service manager's stop
step after the death of both, and the next start before anything else. What is withdrawn is an address, a route, a rule
or an interface as it was written down, by a message that was made beforehand: nothing else is needed.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from healthlb.linux.rtnetlink import Change, Rtnetlink

CLAIMS = Path("/run/healthlb/vrrp.json")
VERSION = 1
NAMESPACE = Path("/proc/self/ns/net")
BOOT = Path("/proc/sys/kernel/random/boot_id")


def write_claims(changes: Sequence[Change], path: Path = CLAIMS) -> None:
    """Write down what may be in the kernel from now on, in place of what was there; raise OSError.

    The order is that in which the changes are put. Its folder is made if it is missing.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    claims = [{"what": change.what, "put": change.put.hex(), "withdraw": change.withdraw.hex()} for change in changes]
    written = json.dumps({"version": VERSION, "network": _network(), "claims": claims}, indent=1)
    # Nothing is synced: what it tells of does not outlive the kernel that it is in.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(f"{written}\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def read_claims(path: Path = CLAIMS) -> tuple[Change, ...]:
    """Return what is written down, nothing if there is no such file; raise OSError, ValueError.

    Nothing either if it was written down in another network namespace, whose addresses are not here, or before the
    machine was started anew, by which the kernel has forgotten them: what has them now is somebody else's.
    """
    try:
        written: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    try:
        if written["version"] != VERSION:
            raise ValueError(f"{path} is of version {written['version']}, not {VERSION}")
        if written["network"] != _network():
            return ()
        return tuple(
            Change(str(claim["what"]), bytes.fromhex(claim["put"]), bytes.fromhex(claim["withdraw"]))
            for claim in written["claims"]
        )
    except (KeyError, TypeError) as problem:
        raise ValueError(f"{path} does not say what a claims file says") from problem


def claimed_elsewhere(path: Path = CLAIMS) -> bool:
    """Whether what is written down was put into another network namespace since the machine was started."""
    try:
        written: Any = json.loads(path.read_text(encoding="utf-8"))
        *there, boot = written["network"]
        claims = written["claims"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    *here, our_boot = _network()
    return bool(claims) and boot == our_boot and there != here


def withdraw_claims(path: Path = CLAIMS) -> tuple[str, ...]:
    """Remove all that is written down from the kernel, then the file; return a clause for each thing that stays.

    What stays stays written down as well. Call it again without harm.
    """
    try:
        claims = read_claims(path)
        if not claims:
            return ()
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        return (f"what was put into the kernel is not known: {path} cannot be read: {reason}",)
    except ValueError as problem:
        return (f"what was put into the kernel is not known: {problem}",)
    rtnetlink = Rtnetlink()
    try:
        kept = rtnetlink.kept(claims)
    finally:
        rtnetlink.close()
    problems = [clause for _, clause in kept]
    try:
        if kept:
            write_claims([change for change, _ in kept], path)
        else:
            path.unlink(missing_ok=True)
    except OSError as problem:
        problems.append(f"{path} cannot be brought up to date: {problem}")
    return tuple(problems)


def _network() -> list[int | str]:
    """Return what tells the network namespace that we are in from others, of this boot and of another."""
    status = NAMESPACE.stat()
    try:
        boot = BOOT.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return [status.st_dev, status.st_ino, boot]
