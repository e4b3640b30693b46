"""Clients that talk to a server that may die at any moment, and write down what they did and saw."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable
from typing import Any

from tests.faults.checkers import History, Send, Stop
from tests.support.server import Server

GONE = (OSError, http.client.HTTPException, ValueError)
"""What a client meets when the server dies: refused, reset, or half an answer."""


class Clients:
    """Several users at once. `round` lets each do its part; what they saw is in `history`."""

    def __init__(self, server: Server) -> None:
        self.history = History()
        self._server = server
        self._lock = threading.Lock()

    def round(self, number: int) -> None:
        """Sends, streams with three watchers, stops and deletes; returns when all are through or cut off."""
        parts: list[Callable[[], None]] = [
            lambda: self.stream("ann", f"a{number}", f"words=12 ann {number}", watchers=0),
            lambda: self.stream("bob", f"b{number}", f"words=30 bob {number}", watchers=2),
            lambda: self.stop("cat", f"c{number}", f"words=100 cat {number}"),
            lambda: self.delete("dan", f"d{number}", f"words=100 dan {number}"),
        ]
        threads = [threading.Thread(target=self._guarded, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def stream(self, user: str, key: str, text: str, *, watchers: int = 0) -> None:
        """Sends a message and watches its answer, with others that watch too."""
        seen: list[Any] = []
        body = {"message": text, "userId": user, "idempotencyKey": key, "stream": True}
        others: list[threading.Thread] = []
        sent = Send(user, key, text)
        try:
            for event in self._server.events("/api/chat", body):
                if not seen:
                    sent = Send(user, key, text, event.get("agentId"), event["turnId"])
                    others = [
                        threading.Thread(target=self._guarded, args=(self._watcher(sent),)) for _ in range(watchers)
                    ]
                    for other in others:
                        other.start()
                seen.append(event)
        finally:
            for other in others:
                other.join()
            self._note(sent, seen)

    def stop(self, user: str, key: str, text: str) -> None:
        """Sends a message, watches, and stops it in the middle."""
        sent = self._send(user, key, text)
        watcher = threading.Thread(target=self._guarded, args=(self._watcher(sent),))
        watcher.start()
        path = f"/api/agents/{sent.agent}/turns/{sent.turn}/cancel?userId={user}"
        try:
            status, answer = self._server.ask("POST", path)
            if status == 200:
                with self._lock:
                    self.history.stops.append(Stop(str(sent.turn), answer["finalOffset"]))
        finally:
            watcher.join()

    def delete(self, user: str, key: str, text: str) -> None:
        """Sends a message to a new conversation and deletes that while the answer runs."""
        status, agent = self._server.ask("POST", f"/api/agents?userId={user}", {})
        if status != 201:
            return
        with self._lock:
            self.history.deleted.add(agent["id"])
        self._send(user, key, text, agent["id"])
        self._server.ask("DELETE", f"/api/agents/{agent['id']}?userId={user}")

    def again(self) -> None:
        """Every message once more under its key, as a client does that had no acknowledgement."""
        for send in list(self.history.sends):
            if send.agent not in self.history.deleted and send.user != "dan":
                self._send(send.user, send.key, send.text)

    def _send(self, user: str, key: str, text: str, agent: str | None = None) -> Send:
        body = {"message": text, "userId": user, "idempotencyKey": key, "wait": False}
        sent = Send(user, key, text)
        try:
            status, answer = self._server.ask(
                "POST", "/api/chat", body if agent is None else {**body, "agentId": agent}
            )
            assert status == 202, answer
            sent = Send(user, key, text, answer["agentId"], answer["turnId"])
        finally:
            self._note(sent, [])
        return sent

    def _watcher(self, sent: Send) -> Callable[[], None]:
        def watch() -> None:
            seen: list[Any] = []
            path = f"/api/agents/{sent.agent}/turns/{sent.turn}/events?userId={sent.user}"
            try:
                seen.extend(self._server.events(path))
            finally:
                with self._lock:
                    self.history.seen.append((str(sent.turn), seen))

        return watch

    def _note(self, sent: Send, seen: list[Any]) -> None:
        with self._lock:
            self.history.sends.append(sent)
            if seen:
                self.history.seen.append((str(sent.turn), seen))

    @staticmethod
    def _guarded(part: Callable[[], None]) -> None:
        with contextlib.suppress(*GONE):
            part()
