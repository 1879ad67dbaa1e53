"""The listeners through reloads: moved, given a new token, refused half way."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import pytest

from healthlb.api.listening import ListenError
from healthlb.api.source import Admin, ReloadOutcome, SnapshotSource
from healthlb.daemon.doors import Doors
from healthlb.model.changes import Actor, Change, ChangeOutcome
from healthlb.model.config import Api, Listener
from healthlb.model.endpoint import Endpoint
from ports import free_port


class Reloads:
    async def change(self, actor: Actor, change: Change) -> ChangeOutcome:
        return ChangeOutcome("refused", "not here")

    def refused(self, command: str, who: str, reason: str, more: int = 0) -> None:
        """Nobody listens."""

    async def reload(self, actor: Actor, *, force: bool = False) -> ReloadOutcome:
        return ReloadOutcome(True, "done")


async def ask(port: int, path: str = "/healthz", method: str = "GET", token: str = "") -> int:
    """Return the status of an answer; 0 where nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: Bearer {token}",
        "Connection: close",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


def play(story: Callable[[Doors], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        doors = Doors(cast("SnapshotSource", None), cast("Admin", Reloads()))
        try:
            await story(doors)
        finally:
            await doors.close()

    asyncio.run(whole())


def at(port: int, address: str = "127.0.0.1") -> Listener:
    return Listener(Endpoint(address, port))


def test_a_new_secret_in_the_same_token_file_is_the_token_after_a_reload(tmp_path: Path) -> None:
    async def story(doors: Doors) -> None:
        file = tmp_path / "token"
        file.write_text("old")
        port = free_port()
        api = Api(at(free_port()), at(port), str(file))
        await doors.open(api)
        assert await ask(port, "/api/v1/reload", "POST", "old") == 200
        file.write_text("new")
        await doors.open(api)
        assert await ask(port, "/api/v1/reload", "POST", "old") == 401
        assert await ask(port, "/api/v1/reload", "POST", "new") == 200

    play(story)


def test_an_address_that_differs_on_the_same_port_replaces_the_old_one() -> None:
    async def story(doors: Doors) -> None:
        port = free_port()
        await doors.open(Api(at(port), None))
        await doors.open(Api(at(port, "127.0.0.2"), None))
        assert await ask(port) == 0
        await doors.open(Api(at(port, "0.0.0.0"), None))
        assert await ask(port) == 200

    play(story)


@pytest.mark.parametrize("same_port", [True, False])
def test_what_cannot_be_opened_leaves_every_listener_as_it_was(tmp_path: Path, same_port: bool) -> None:
    async def story(doors: Doors) -> None:
        reading, changing = free_port(), free_port()
        (tmp_path / "token").write_text("secret")
        await doors.open(Api(at(reading), at(changing), str(tmp_path / "token")))
        moved = at(reading, "127.0.0.2") if same_port else at(free_port())
        (tmp_path / "other").write_text("another")
        with pytest.raises(ListenError):
            await doors.open(Api(moved, at(changing, "203.0.113.1"), str(tmp_path / "other")))
        assert await ask(reading) == 200
        assert await ask(changing, "/api/v1/reload", "POST", "secret") == 200

    play(story)


def test_a_token_file_that_is_gone_refuses_the_reload_and_the_old_token_stays(tmp_path: Path) -> None:
    async def story(doors: Doors) -> None:
        port = free_port()
        file = tmp_path / "token"
        file.write_text("secret")
        api = Api(at(free_port()), at(port), str(file))
        await doors.open(api)
        file.unlink()
        with pytest.raises(ListenError, match="token"):
            await doors.open(api)
        assert await ask(port, "/api/v1/reload", "POST", "secret") == 200

    play(story)


def test_a_socket_file_that_is_served_again_outlives_its_predecessor(tmp_path: Path) -> None:
    async def story(doors: Doors) -> None:
        (tmp_path / "token").write_text("one")
        api = Api(at(free_port()), Listener(path=str(tmp_path / "s")), str(tmp_path / "token"))
        await doors.open(api)
        (tmp_path / "token").write_text("two")
        await doors.open(api)
        await asyncio.gather(*doors._leaving)

    async def seen(doors: Doors) -> None:
        await story(doors)
        _, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.close()

    play(seen)
    assert not (tmp_path / "s").exists()
