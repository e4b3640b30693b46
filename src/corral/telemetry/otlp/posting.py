"""A connection to a collector that is kept, for one thread; blocking."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from corral.version import __version__

AGAIN = frozenset({429, 502, 503, 504})
"""Statuses after which the specification wants another try."""
MAX_ANSWER = 64 * 1024
GOOD = range(200, 300)


class Retry(Exception):
    """It was not taken now; a later try may help. `after`: seconds that the collector wants to be left alone for."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class Refused(Exception):
    """It was not taken, and never will be."""


class Poster:
    """Posts to one collector. The connection is opened when it is needed and kept."""

    def __init__(self, headers: Mapping[str, str], media_type: str, timeout: float, *, gzip: bool) -> None:
        coding = {"Content-Encoding": "gzip"} if gzip else {}
        agent = f"OTel-OTLP-Exporter-Corral/{__version__}"
        self._headers = {**headers, "Content-Type": media_type, "User-Agent": agent, **coding}
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._place: tuple[str, str] = ("", "")

    def post(self, address: str, body: bytes) -> bytes:
        """The body of a good answer. Raises Retry and Refused."""
        url = urlsplit(address)
        try:
            return self._post(url, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Retry(f"{url.netloc}: {error or type(error).__name__}") from None

    def hurry(self, seconds: float) -> None:
        """From now on an answer is waited for so long at most."""
        self._timeout = min(self._timeout, seconds)

    def close(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _post(self, url: SplitResult, body: bytes) -> bytes:
        path = url.path + (f"?{url.query}" if url.query else "")
        for fresh in (False, True):
            connection = self._connected(url, fresh=fresh)
            kept = connection.sock is not None
            try:
                connection.request("POST", path or "/", body, self._headers)
                answer = connection.getresponse()
                break
            except (ConnectionError, http.client.HTTPException):
                # A kept connection may have been closed meanwhile; a new one that fails is a failure.
                if not kept:
                    raise
        told = answer.read(MAX_ANSWER)
        if answer.read(1) or answer.will_close:
            self.close()
        if answer.status in GOOD:
            return told
        said = f"{url.netloc} answered with status {answer.status}"
        if answer.status in AGAIN:
            raise Retry(said, _seconds(answer.getheader("Retry-After")))
        raise Refused(said)

    def _connected(self, url: SplitResult, *, fresh: bool) -> http.client.HTTPConnection:
        place = url.scheme, url.netloc
        if self._connection is None or fresh or place != self._place:
            self.close()
            self._place = place
            self._connection = self._new(url)
        if self._connection.sock is not None:
            self._connection.sock.settimeout(self._timeout)
        return self._connection

    def _new(self, url: SplitResult) -> http.client.HTTPConnection:
        host = url.hostname or ""
        if url.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, url.port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(host, url.port, timeout=self._timeout)


def _seconds(told: str | None) -> float:
    try:
        return max(0.0, float(told or 0))
    except ValueError:
        return 0.0
