"""`/api/device/models…`: the models for browsers, and their files by range."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Path, Query, Request
from fastapi.responses import Response

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.kit.errors import PreconditionFailed
from corral.models.device import DeviceModels, PartFile, Readers
from corral.models.device.files import PIECE_BYTES
from corral.surfaces.api.routing import ApiRouter
from corral.surfaces.asgi import STALL_SECONDS, ClientGone, Receive, Scope, Send, peer_of
from corral.surfaces.door import Watched
from corral.surfaces.ranges import Span, names_tag, parse_range, range_applies
from corral.telemetry import get_logger

_log = get_logger("corral.device")
# Only the browser that was allowed to may keep it, and as long as it likes: another version has another address.
_CACHING = "private, max-age=31536000, immutable"
Version = Annotated[str, Query(pattern=r"^[0-9a-f]{32}$", description="The version that the list tells.")]
Part = Annotated[int, Path(ge=0, le=4999)]


def device_router(accounts: Accounts, models: DeviceModels) -> ApiRouter:
    """The routes of models for browsers. A name may hold a slash."""
    api = ApiRouter(accounts, prefix="/api/device", tags=["device"])

    @api.get("/models", permission=Permission.MODELS_READ)
    async def list_models() -> dict[str, Any]:
        return {"models": await models.all()}

    @api.get("/models/{name:path}/files/{part}", permission=Permission.INFERENCE, response_class=Response)
    async def get_file(request: Request, name: str, part: Part, v: Version) -> Response:
        return _answer(request, await models.open(name, part, v), models.readers, f'"{v}-{part}"')

    @api.head("/models/{name:path}/files/{part}", permission=Permission.INFERENCE, response_class=Response)
    async def head_file(request: Request, name: str, part: Part, v: Version) -> Response:
        return _answer(request, await models.open(name, part, v), models.readers, f'"{v}-{part}"')

    return api


def _answer(request: Request, file: PartFile, readers: Readers, tag: str) -> Response:
    """What a request for a file gets. Raises PreconditionFailed and RangeNotSatisfiable."""
    given, size = request.headers, file.mark.size
    headers = {"ETag": tag, "Cache-Control": _CACHING, "Accept-Ranges": "bytes"}
    try:
        if "if-match" in given and not names_tag(given["if-match"], tag, weak=False):
            raise PreconditionFailed("The file is another one now.", param="If-Match")
        if names_tag(given.get("if-none-match"), tag, weak=True):
            readers.give_back(file)
            return Response(status_code=304, headers=headers)
        span = None
        if request.method == "GET" and range_applies(given.get("if-range"), tag):
            span = parse_range(given.get("range"), size)
    except Exception:
        readers.give_back(file)
        raise
    if span is not None:
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
    return FileAnswer(readers, file, span, headers)


class FileAnswer(Response):
    """A file or a span of it, read and sent piece by piece; a client that leaves or takes nothing ends the reading."""

    media_type = "application/octet-stream"

    def __init__(self, readers: Readers, file: PartFile, span: Span | None, headers: dict[str, str]) -> None:
        self._readers = readers
        self._file = file
        self._span = span or Span(0, file.mark.size - 1)
        told = {**headers, "Content-Length": str(self._span.length), "Content-Disposition": "attachment"}
        super().__init__(status_code=200 if span is None else 206, headers=told)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it. An answer that cannot be finished is broken off, so that nobody takes it for whole."""
        try:
            with Watched(receive, peer_of(scope)):
                start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                await send(start)
                if scope["method"] == "HEAD" or self._span.length == 0:
                    await send({"type": "http.response.body", "body": b""})
                else:
                    await self._send_pieces(send)
        finally:
            self._readers.give_back(self._file)

    async def _send_pieces(self, send: Send) -> None:
        offset, end = self._span.first, self._span.last + 1
        while offset < end:
            count = min(PIECE_BYTES, end - offset)
            piece = await self._readers.run(lambda offset=offset, count=count: self._file.read(offset, count))  # type: ignore[misc]
            if piece is None:
                _log.warning("model_file_changed", path=self._file.mark.path)
                return
            offset += count
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": offset < end})
            except TimeoutError:
                raise ClientGone from None
