"""Scripted cloud providers: programs that speak each wire protocol as its public specification says, and misbehave on demand.

`python -m tests.fakes.providers KIND [--port N] [--script FILE] [--tls CERT KEY]` prints its port and serves until it is
ended. KIND is openai, compatible, anthropic, gemini or ollama. They know nothing of `corral`.

A script is JSON: `{"default": ACT, "models": {NAME: ACT}, "keys": {KEY: ACT}, "queue": [ACT, ...], "accept_keys": [...],
"list": [MODEL, ...], "cors": true}`, the last one for pages of other origins. Every request takes the next act of the queue over those of its key and model over the default.
Instead of an ACT a model may have a list of them, for one request after the other; the last one stays.
`POST /_script` replaces it and forgets what was seen; `POST /_next` with a list adds to the queue; `GET /_seen` tells
`requests` (method, path, query, headers, body, bytes, key, act, hung_up, sent: tokens, told: bytes, done), `open` and `connections`.

An ACT, all fields optional. What is said:
    text, tokens (a list, instead of text cut into words), echo (the last user text), echo_images (their types and SHA-256),
    reasoning, tool_calls [{name, arguments, id}], honour_schema (true), schema_text (what is said when not), refusal,
    finish (the provider's own word), usage {prompt, completion, cached, written, reasoning}, id, no_prefill,
    resume: how a request to go on with a part of `text` is answered: "exact" (default), "over" or a number of characters
    that are said again.
How it fares:
    before: "refuse" (reset at once), "silent", "close", "half_head", "garbage": instead of an answer.
    status, body, kind, message, code, headers, retry_after: an error answer. redirect: a 307 to there. content_type: a page.
    first_after: seconds before the first token, `pings` every so many seconds meanwhile, `head_first`: with the head said.
    pace: seconds between tokens. rate: bytes a second.
    after: so many tokens, and `then`: "stall", "reset", "end" (a clean end of HTTP), "half" (half an event, then the end),
    "error" (as the protocol tells errors in a stream; `error` overrides its fields), "garbage", "pings" (for ever), "close",
    "drip" (the rest byte by byte, one each tenth of a second), "endless" (a line that does not end, at most 32 MiB of it).
    sse: {bom, newline, split, comments, done (false: no end mark), after_done, long_line (bytes), not_json}.
    close_after: the connection is closed behind a good answer, without saying so before.
    flood: MiB of stream as fast as they are taken.
"""
