"""A real HTTP server on this machine that can misbehave, and stores that fetch from it."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bfrbench.plugins import PluginHost
from bfrbench.weights import WeightCard, WeightStore, download

BODY = hashlib.shake_256(b"weights").digest(1_000_000)


class Server:
    """Serves bytes with ranges; `cuts` holds after how many bytes each coming answer breaks off."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/net.bin": BODY}
        self.cuts: list[int] = []
        self.status: list[int] = []
        self.asked: list[str] = []
        self.etag: str | None = '"one"'
        self.ranges = True
        self.tells_length = True
        self.kind = "application/octet-stream"
        self.pause = 0.0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path: str = "/net.bin") -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}{path}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        body = self.files.get(request.path)
        if self.status or body is None:
            request.send_error(self.status.pop(0) if self.status else 404)
            return
        match = re.fullmatch(r"bytes=(\d+)-", wanted)
        same = request.headers.get("If-Range") in (None, self.etag)
        start = int(match[1]) if match and self.ranges and same else 0
        if start and start >= len(body):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(body)}")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if self.tells_length:
            request.send_header("Content-Length", str(len(body) - start))
        if self.etag:
            request.send_header("ETag", self.etag)
        request.send_header("Content-Type", self.kind)
        request.end_headers()
        time.sleep(self.pause)
        if self.cuts:
            request.wfile.write(body[start : start + self.cuts.pop(0)])
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)
        else:
            request.wfile.write(body[start:])

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE", 0.0)
    serving = Server()
    yield serving
    serving.close()


def card_of(url: str, **facts: Any) -> WeightCard:
    """The card of the server's file; `sha256=None` and the like change what is known of it."""
    known = {"sha256": hashlib.sha256(BODY).hexdigest(), "size": len(BODY), "sources": [{"url": url}]}
    rest = {"name": "net", "file": "net.bin", "summary": "a test", "licence": "none", "needed_by": ["tests"]}
    return WeightCard.model_validate(rest | known | facts)


@pytest.fixture
def store_of(server: Server, tmp_path: Path) -> Callable[..., WeightStore]:
    """An online store that knows one card; its plugins are none unless given."""

    def make(
        home: Path | None = None, *, offline: bool = False, host: PluginHost | None = None, **facts: Any
    ) -> WeightStore:
        card = card_of(facts.pop("url", server.url()), **facts)
        return WeightStore(
            home or tmp_path / "home", offline, cards={card.name: card}, host=host or PluginHost(installed=False)
        )

    return make


def left_in(store: WeightStore) -> list[str]:
    """Every file that lies in the store, locks aside."""
    return sorted(path.name for path in store.folder.rglob("*") if path.is_file() and path.suffix != ".lock")
