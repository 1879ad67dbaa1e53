"""The director's listeners: opened at start, moved by a reload, closed at stop."""

import ssl
from pathlib import Path

from healthlb.api.application import admin_application, read_only_application
from healthlb.api.listening import ListenError
from healthlb.api.server import RunningServer, serve
from healthlb.api.source import Admin, SnapshotSource
from healthlb.model.config import Api


class Doors:
    """Serves what the `api` section says. A reload opens the new listeners before it closes the old ones."""

    def __init__(self, source: SnapshotSource, admin: Admin) -> None:
        self._source = source
        self._admin = admin
        self._api: Api | None = None
        self._reading: RunningServer | None = None
        self._changing: RunningServer | None = None

    async def open(self, api: Api) -> None:
        """Serve as the section says; raise ListenError, with everything as it was, where that cannot be."""
        before = self._api
        reading, changing = self._reading, self._changing
        if before is None or before.listen != api.listen:
            reading = await serve(read_only_application(self._source), api.listen)
        if before is None or _admin_part(before) != _admin_part(api):
            try:
                changing = await self._serve_admin(api, before)
            except ListenError:
                if reading is not None and reading is not self._reading:
                    await reading.close()
                raise
        old = [self._reading, self._changing]
        self._api, self._reading, self._changing = api, reading, changing
        for server in old:
            if server is not None and server not in (reading, changing):
                await server.close()

    async def close(self) -> None:
        """Serve nothing more."""
        for server in (self._reading, self._changing):
            if server is not None:
                await server.close()
        self._api = self._reading = self._changing = None

    async def _serve_admin(self, api: Api, before: Api | None) -> RunningServer | None:
        if api.admin is None:
            return None
        token = _token(api)
        context = _context(api)
        if before is not None and before.admin == api.admin and self._changing is not None:
            await self._changing.close()
            self._changing = None
        return await serve(admin_application(self._source, self._admin, token), api.admin, context)


def _admin_part(api: Api) -> tuple[object, ...]:
    return api.admin, api.token_file, api.certificate_file, api.key_file


def _token(api: Api) -> str | None:
    if api.token_file is None:
        return None
    try:
        token = Path(api.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ListenError(f"the admin token cannot be read from {api.token_file}: {error}") from error
    if not token:
        raise ListenError(f"the admin token file {api.token_file} is empty; put a secret into it")
    return token


def _context(api: Api) -> ssl.SSLContext | None:
    if api.certificate_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(api.certificate_file, api.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"the admin certificate {api.certificate_file} cannot be used: {error}") from error
    return context
