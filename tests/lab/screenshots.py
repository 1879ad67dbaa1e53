"""Pictures of the page for the README: `python tests/lab/screenshots.py [URL]`, into docs/images.

Without a URL they show a director that is made up here: the page is real, the servers that it shows are not.
Exit status: 0 the pictures were taken, 1 they could not be.
"""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from healthlb.model.counters import Traffic, Usage  # noqa: E402
from healthlb.model.evidence import Evidence, SeenProbe  # noqa: E402
from healthlb.model.snapshot import RealServerStatus  # noqa: E402
from tests.page.browser import Reader, chromium  # noqa: E402  the repository is found first
from tests.page.scene import Happened, Scene, pool, real_server, snapshot  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LARGEST = 150_000
"""Bytes of a picture."""
WIDE: dict[str, Any] = {"viewport": {"width": 1360, "height": 560}}
PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "page-light": ("", WIDE),
    "page-dark": ("", WIDE | {"color_scheme": "dark"}),
    "page-server": ("?open=shop/web3", WIDE),
    "page-phone": ("", {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True}),
}


def main() -> int:
    """Take the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    scene = None if len(sys.argv) > 1 else incident()
    try:
        with chromium() as browser:
            return max(
                take(Reader(browser, scene.url if scene is not None else sys.argv[1], **options), name, query)
                for name, (query, options) in PICTURES.items()
            )
    finally:
        if scene is not None:
            scene.close()


def take(reader: Reader, name: str, query: str) -> int:
    """Take one picture and say how large it is; return 1 where it is too large, or the page had a fault."""
    page = reader.open(query)
    page.wait_for_selector(".row .strip, .row .spark .line[d^=M]", state="attached")
    if query:
        page.wait_for_selector(".drawer .check")
    page.wait_for_load_state("load")
    file = IMAGES / f"{name}.png"
    page.screenshot(path=file, animations="disabled", caret="hide")
    reader.context.close()
    size = file.stat().st_size
    print(f"{file.relative_to(ROOT)}: {size} bytes", *reader.faults)
    return int(size > LARGEST or bool(reader.faults))


def incident() -> Scene:
    """Return a director of four pools: one has lost a server, and operators drain another."""
    now = time.time()
    web = [real_server(f"web{number}", number) for number in range(1, 5)]
    reason = "status 503, expected 200-299"
    saw = Evidence(
        b"GET /healthz HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: healthlb\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\nServer: nginx\r\nContent-Length: 28\r\n\r\ndatabase: connection refused",
        peer="192.0.2.3:80",
    )
    sick = real_server("web3", 3, up=False, reason=reason)
    check = dataclasses.replace(
        sick.checks[0], recent="1" * 41 + "0" * 19, streak=19, last_failure=SeenProbe(now - 1, reason, 0.0041, saw)
    )
    web[2] = dataclasses.replace(sick, since=now - 38, checks=(check,))
    drained = dataclasses.replace(
        web[3],
        admin="drained",
        since=now - 5400,
        weight=dataclasses.replace(web[3].weight, effective=0, kernel=0, chain=("1", "0 (drained)")),
    )
    pools = [
        pool("shop", [busy(web[0], 31), busy(web[1], 29), busy(web[2], 0), busy(drained, 0)], 80),
        pool("mail", [busy(real_server("mail1", 21), 4), busy(real_server("mail2", 22), 5)], 25),
        pool("api", [busy(real_server(f"api{number}", 30 + number), 60 + number) for number in range(1, 4)], 443),
        pool("dns", [busy(real_server("dns1", 41), 212), busy(real_server("dns2", 42), 208)], 53),
    ]
    return Scene(
        snapshot(pools),
        Happened("real_server_down", f"shop: web3 is DOWN: web: {reason} (3 results in a row)", now - 38, "warning"),
        Happened("virtual_server_changed", "shop is degraded, live weight 2", now - 38, "warning"),
    )


def busy(server: RealServerStatus, rate: int) -> RealServerStatus:
    """Return a server with so many new connections a second, for hours."""
    rates = Traffic(rate, 9 * rate, 11 * rate, 700 * rate, 9200 * rate)
    usage = Usage(Traffic(3600 * rate, 1, 1, 1, 1), rates, 3 * rate, 5 * rate, 0)
    since = server.since if server.since < time.time() - 70 or not rate else time.time() - 93_000
    return dataclasses.replace(server, usage=usage, since=since)


if __name__ == "__main__":
    sys.exit(main())
