"""Packets to virtual addresses are refused as declared; what the kernel makes of that is tried in a network apart."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from boot import chosen_mode
from healthlb.linux import acceptance
from healthlb.linux.acceptance import AcceptanceError, refuse, refused, withdraw
from healthlb.linux.claims import read_claims
from healthlb.model.vrrp import OWNER, VirtualAddress, VrrpInstance

HERE = Path(__file__).parent
APART = 'mount -t tmpfs none /run && mkdir /run/netns && ip link set lo up && exec "$@"'
INSTANCE = VrrpInstance(
    *("VI_1", "eth0", 51, 4, (VirtualAddress("198.51.100.1", 24),)),
    excluded=(VirtualAddress("2001:db8::1", 64),),
    accept=False,
)


def test_the_kernel_does_what_is_expected_of_it() -> None:
    # IPVS is for root alone, whatever he is called in a user namespace.
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--net", "--mount", "sh", "-c", APART, "sh", sys.executable]
    files = ["acceptance_in_kernel.py", *["acceptance_beside_ipvs.py"] * (chosen_mode() == "host")]
    tests = [*(HERE / file for file in files), "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "HEALTHLB_IN_GUEST": "host"}
    ended = subprocess.run(
        [*command, "-m", "pytest", *tests], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_what_is_accepted_and_what_is_owned_is_not_refused() -> None:
    owned = replace(INSTANCE, priority=OWNER)
    assert refused([INSTANCE, replace(INSTANCE, accept=True), owned]) == ("198.51.100.1", "2001:db8::1")
    assert refused([owned]) == ()


def test_it_is_written_down_first_and_not_done_if_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr(acceptance, "_send", sent.append)
    written = tmp_path / "written"
    refuse(["198.51.100.1"], written)
    (claim,) = read_claims(written)
    assert sent == [claim.put]
    withdraw(written)
    assert sent == [claim.put, claim.withdraw]
    (tmp_path / "file").touch()
    sentence = r"^packets to 198\.51\.100\.1 are not dropped: it cannot be written down in .*: File exists$"
    with pytest.raises(AcceptanceError, match=sentence):
        refuse(["198.51.100.1"], tmp_path / "file" / "acceptance.json")
    assert len(sent) == 2


def test_what_may_still_be_dropped_is_told_and_stays_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance, "_send", lambda _batch: None)
    written = tmp_path / "acceptance.json"
    refuse(["198.51.100.1"], written)

    def forbidden(_batch: bytes) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(acceptance, "_send", forbidden)
    with pytest.raises(
        AcceptanceError, match=r"^packets to virtual addresses may still be dropped: Operation not permitted$"
    ):
        withdraw(written)
    assert written.exists()
    with pytest.raises(AcceptanceError, match=r"^packets to 198\.51\.100\.1 are not dropped: Operation not permitted$"):
        refuse(["198.51.100.1"], written)
    written.write_text("{", encoding="utf-8")
    with pytest.raises(AcceptanceError, match=r"^packets to virtual addresses may still be dropped: "):
        withdraw(written)
