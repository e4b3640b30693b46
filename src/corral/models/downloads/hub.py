"""The hub: the only place that knows `huggingface_hub`, and imports it when it is first asked. All calls block.

The token is the one of the settings or none: one that other programs have left on this machine is never sent.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from corral.kit.errors import CorralError, Forbidden, NotFound, Unavailable, UpstreamFailed
from corral.models.downloads.types import HubFile, Repository
from corral.models.gguf import GgufError, Header, read_header_of

ENDPOINT = "https://huggingface.co"
PIECE = 1 << 20
MAX_FILES = 5000
MAX_HEADER = 64 << 20
_RANGE = re.compile(r"bytes (\d+)-\d*/(\d+|\*)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


class Cut(Exception):
    """The connection ended or the hub stumbled; another try may do."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that comes: `start` is the place of its first byte, `total` the size of the whole file."""

    start: int
    total: int | None
    etag: str | None
    pieces: Iterator[bytes]


class Hub:
    """One hub. `patience`: seconds without a byte after which a connection is given up."""

    def __init__(self, endpoint: str = ENDPOINT, token: str | None = None, *, patience: float = 30.0) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._token: str | bool = token or False
        self._patience = patience

    def look(self, repo: str, revision: str | None = None) -> Repository:
        """The files of a repository at a branch, tag or commit. Raises NotFound, Forbidden, Unavailable and UpstreamFailed."""
        from huggingface_hub import HfApi

        with _explained(repo):
            api = HfApi(endpoint=self.endpoint, token=self._token, library_name="corral")
            info = api.model_info(repo, revision=revision, files_metadata=True, timeout=self._patience)
        if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha):
            raise UpstreamFailed("The hub does not say which commit its files belong to.")
        card: Any = getattr(info, "card_data", None) or {}
        licence = card.get("license") if hasattr(card, "get") else None
        files = tuple(_file(sibling) for sibling in (info.siblings or [])[:MAX_FILES])
        return Repository(repo, info.sha, files, licence if isinstance(licence, str) else None, bool(info.gated))

    @contextlib.contextmanager
    def open(self, repo: str, commit: str, name: str, start: int = 0) -> Iterator[Stream]:
        """A file from `start` on. Raises Cut for what may pass by itself, otherwise as `look`."""
        import httpx2
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

        url = hf_hub_url(repo, name, revision=commit, endpoint=self.endpoint)
        headers = build_hf_headers(token=self._token, library_name="corral")
        headers |= {"accept-encoding": "identity"} | ({"range": f"bytes={start}-"} if start else {})
        try:
            with get_session().stream("GET", url, headers=headers, timeout=self._patience) as answer:
                if answer.status_code == 416:
                    yield Stream(0, 0, None, iter(()))
                    return
                if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
                    raise Cut(f"the hub answers with status {answer.status_code}")
                with _explained(repo):
                    hf_raise_for_status(answer)
                yield _stream(answer)
        except httpx2.TransportError as error:
            raise Cut(_plain(error)) from None

    def header(self, repo: str, commit: str, name: str) -> Header | None:
        """The header of a file, of which no more is read than that; None when it cannot be had."""
        try:
            with self.open(repo, commit, name) as stream:
                return read_header_of(_Ahead(stream.pieces), stream.total or 0)  # type: ignore[arg-type]
        except (GgufError, Cut, CorralError):
            return None


class _Ahead:
    """A stream that is read as a file, forward only."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""
        self._left = MAX_HEADER

    def read(self, count: int) -> bytes:
        parts, length = [self._held], len(self._held)
        while length < count:
            piece = next(self._pieces, b"")
            self._left -= len(piece)
            if not piece or self._left < 0:
                break
            parts.append(piece)
            length += len(piece)
        data = b"".join(parts)
        self._held = data[count:]
        return data[:count]

    def seek(self, count: int, _: int) -> None:
        while count > 0:
            got = len(self.read(min(count, PIECE)))
            if not got:
                raise GgufError("the file is cut short")
            count -= got


def _stream(answer: Any) -> Stream:
    start, total = 0, None
    found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    if answer.status_code == 206 and found:
        start, total = int(found[1]), None if found[2] == "*" else int(found[2])
    elif answer.headers.get("content-length", "").isdigit():
        total = int(answer.headers["content-length"])
    return Stream(start, total, answer.headers.get("etag"), answer.iter_raw())


def _file(sibling: Any) -> HubFile:
    sha256 = getattr(sibling.lfs, "sha256", None) if sibling.lfs is not None else None
    size = sibling.size if isinstance(sibling.size, int) and sibling.size >= 0 else None
    valid = isinstance(sha256, str) and _SHA256.fullmatch(sha256)
    return HubFile(str(sibling.rfilename), size, sha256 if valid else None)


@contextlib.contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Turns what the library raises into errors with a reason."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise Forbidden(
            f"{repo} wants its conditions accepted. Accept them on its page, and set hub_token to a token of that account."
        ) from None
    except errors.RevisionNotFoundError:
        raise NotFound(f"{repo} has no such revision.") from None
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError, errors.HFValidationError):
        raise NotFound(f"The hub has no {repo}, or it is not public.") from None
    except errors.OfflineModeIsEnabled:
        raise Unavailable("HF_HUB_OFFLINE is set, so the hub is not asked.") from None
    except httpx2.TransportError as error:
        raise Unavailable(f"The hub cannot be reached: {_plain(error)}.", retry_after=10) from None
    except httpx2.HTTPError as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        raise UpstreamFailed(f"The hub answers with status {status or 'unknown'}.") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UpstreamFailed("What answers at hub_endpoint is not a hub.") from None


def _plain(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:200]
