"""An engine whose model says what an attacker would: each line of HOSTILE is a paragraph of every answer.

hostile_model.py --port N --key K
"""

from __future__ import annotations

import argparse
import http.server
import json

HOSTILE = (
    "<script>hacked()</script>",
    "<img src=x onerror=hacked()>",
    "<svg onload=hacked()></svg>",
    "<a href='javascript:hacked()'>raw</a>",
    "[scripted](javascript:hacked())",
    "[coded](jav&#x09;ascript:hacked())",
    "[data](data:text/html,<script>hacked()</script>)",
    "![spy](https://spy.example/pixel.png)",
    '![quoted](https://spy.example/" onerror="hacked())',
    "<iframe src=https://spy.example></iframe>",
    "<style>@import 'https://spy.example/style.css'; body { display: none }</style>",
    "<form action=https://spy.example><input autofocus onfocus=hacked()></form>",
    "<details open ontoggle=hacked()>x</details>",
    "<base href=https://spy.example>",
    '```js"><img src=x onerror=hacked()>\ncode()\n```',
    "```html\n</code></pre><script>hacked()</script>\n```",
    "$\\href{javascript:hacked()}{x}$ and $\\includegraphics{https://spy.example/p.png}$",
    "$<img src=x onerror=hacked()>$",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=hacked()&gt;'>",
    "[honest](https://docs.example/)",
    "the very end",
)


class Handler(http.server.BaseHTTPRequestHandler):
    """Says it all, a few characters at a time, so that tags are cut anywhere."""

    def do_GET(self) -> None:
        self._head("application/json")
        self.wfile.write(b'{"data": []}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._head("text/event-stream")
        text = "\n\n".join(HOSTILE)
        for start in range(0, len(text), 7):
            self._chunk({"delta": {"content": text[start : start + 7]}, "finish_reason": None})
        self._chunk({"delta": {}, "finish_reason": "stop"})
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *arguments: object) -> None:
        pass

    def _head(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()

    def _chunk(self, choice: dict[str, object]) -> None:
        self.wfile.write(b"data: " + json.dumps({"choices": [{"index": 0, **choice}]}).encode() + b"\n\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="")
    http.server.ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()
