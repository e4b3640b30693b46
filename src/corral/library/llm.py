"""The client: ask any model by any route."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

import msgspec

from corral.dialects.form import Image, Message, Reasoning, Refusal, Text, ToolCall, Usage
from corral.dialects.gathering import Gathering
from corral.dialects.registry import DIALECTS
from corral.kit.errors import InvalidRequest, OutputInvalid, ShuttingDown, UpstreamFailed
from corral.kit.ids import new_id
from corral.library.making import LLMOptions, backend_of
from corral.library.messages import Messages, messages_of
from corral.library.options import ChatOptions, headers_of, request_of
from corral.library.shapes import Shape, shape_of
from corral.library.timing import limited, loop_time
from corral.library.types import Answer, Embeddings, Model

if TYPE_CHECKING:
    from corral.dialects.form import Answer as Told
    from corral.inference import Inference
    from corral.inference.types import Ask, Streaming
    from corral.library.streams import AnswerStream
    from corral.library.sync import SyncLLM

T = TypeVar("T")
DIALECT = "openai_chat"


class LLM:
    """Any model, by a route's name, a model's of this machine, or `provider/model`.

    In this process, with the routes, providers, failover, limits and caches of the server (no HTTP to oneself); or of a Corral that runs
    elsewhere, with `url`. Use it under `async with`; it may be asked by any number of tasks of its event loop at once.

    Args:
        data: a data folder of Corral, with its models, providers, routes, limits and usage, which no server may be using. None takes
            that of CORRAL_DATA or corral.toml; without those nothing is kept and all is gone at the end.
        config: a corral.toml; None looks for DATA/corral.toml and ./corral.toml.
        options: see `LLMOptions`.

    Nothing happens before `async with` (or `start`), which raises InvalidRequest for settings that are wrong, with the field in its
    message, and Unavailable for a data folder that is in use.
    """

    def __init__(
        self,
        data: str | os.PathLike[str] | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        **options: Unpack[LLMOptions],
    ) -> None:
        self._principal_name = options.get("user", "local")
        self._backend = backend_of(data, config, options)
        self._inference: Inference | None = None
        self._closed = False

    @classmethod
    def sync(
        cls,
        data: str | os.PathLike[str] | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        **options: Unpack[LLMOptions],
    ) -> SyncLLM:
        """The same for programs without an event loop, or beside one: see `SyncLLM`."""
        from corral.library.sync import SyncLLM

        return SyncLLM(lambda: cls(data, config=config, **options))

    async def __aenter__(self) -> Self:
        """Starts it."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.close()

    async def start(self) -> None:
        """Makes ready; `async with` does it. Raises as said above."""
        if self._closed:
            raise ShuttingDown("This LLM was closed. Make a new one.")
        if self._inference is None:
            from corral.library.backends import principal_of

            self._principal = principal_of(self._principal_name)
            try:
                self._inference = await self._backend.open()
            except BaseException:
                await self._backend.close()
                raise

    async def close(self) -> None:
        """Ends requests under way, engines and connections; `async with` does it."""
        self._closed = True
        self._inference = None
        await self._backend.close()

    # questions

    @overload
    async def chat(
        self, messages: Messages, *, schema: None = None, **options: Unpack[ChatOptions]
    ) -> Answer[None]: ...
    @overload
    async def chat(self, messages: Messages, *, schema: type[T], **options: Unpack[ChatOptions]) -> Answer[T]: ...
    @overload
    async def chat(self, messages: Messages, *, schema: Any, **options: Unpack[ChatOptions]) -> Answer[Any]: ...
    async def chat(self, messages: Messages, *, schema: Any = None, **options: Unpack[ChatOptions]) -> Answer[Any]:
        """Asks, and gives the whole answer.

        Args:
            messages: a question, a `Message`, or a conversation of them (or of mappings as OpenAI's chat has them). A last message of
                the assistant is the beginning of the answer, to be gone on with.
            schema: the form of the answer: a type (pydantic model, dataclass, TypedDict, msgspec struct, list[int], …) or a JSON schema.
            options: the model, instructions, how to answer: see `ChatOptions`.

        Raises CorralError: InvalidRequest with the field in `param`, ModelNotFound, OutputInvalid for an answer that is not in its form,
        TooManyRequests for a limit, UpstreamTimeout, UpstreamFailed and others; `retryable` and `retry_after` tell whether to try again.
        """
        shape = shape_of(schema) if schema is not None else None
        inference = self._ready()
        ask = self._ask(messages, shape, options, stream=False)
        timeout = options.get("timeout")
        async with limited(loop_time(timeout), timeout):
            reply = await inference.whole(self._principal, ask)
        return _answer(DIALECTS[DIALECT].read_answer(reply.body), reply.headers, shape)

    @overload
    def stream(
        self, messages: Messages, *, schema: None = None, **options: Unpack[ChatOptions]
    ) -> AnswerStream[None]: ...
    @overload
    def stream(self, messages: Messages, *, schema: type[T], **options: Unpack[ChatOptions]) -> AnswerStream[T]: ...
    @overload
    def stream(self, messages: Messages, *, schema: Any, **options: Unpack[ChatOptions]) -> AnswerStream[Any]: ...
    def stream(self, messages: Messages, *, schema: Any = None, **options: Unpack[ChatOptions]) -> AnswerStream[Any]:
        """Asks, and gives the answer as it arrives; a provider that breaks off in the middle is replaced by the next one of the route. With
        `schema` it passes as it comes only when all candidates keep to schemas by themselves, else it comes when it is whole.

        Takes the same as `chat`, and raises the same while it is read.
        """
        from corral.library.streams import AnswerStream

        shape = shape_of(schema) if schema is not None else None
        inference = self._ready()
        ask = self._ask(messages, shape, options, stream=True)

        async def begin() -> Streaming:
            return await inference.stream(self._principal, ask)

        def finish(told: Gathering, headers: dict[str, str]) -> Answer[Any]:
            return _answer(told.answer(), headers, shape)

        return AnswerStream(begin, finish, options.get("timeout"))

    async def embed(self, texts: str | Sequence[str], *, model: str, dimensions: int | None = None) -> Embeddings:
        """The vectors of `texts`. Raises CorralError as `chat`."""
        from corral.inference.types import Ask

        given = [texts] if isinstance(texts, str) else list(texts)
        if not given or not all(isinstance(one, str) for one in given):
            raise InvalidRequest("texts: must be a text or several.", param="texts")
        body: dict[str, Any] = {"model": model, "input": given, "encoding_format": "float"}
        if dimensions is not None:
            body["dimensions"] = dimensions
        ask = Ask("embeddings", "openai", model, msgspec.json.encode(body), request_id=new_id("lib"))
        reply = await self._ready().whole(self._principal, ask)
        try:
            told = msgspec.json.decode(reply.body, type=_Vectors)
        except msgspec.DecodeError as error:
            raise UpstreamFailed(f"The provider's vectors are not in their form: {error}.") from None
        rows = sorted(told.data, key=lambda one: one.index)
        usage = Usage(told.usage.prompt_tokens, 0) if told.usage is not None else None
        by = reply.headers
        return Embeddings(
            tuple(one.embedding for one in rows), usage, by.get("X-Corral-Provider", ""), by.get("X-Corral-Model", "")
        )

    async def models(self) -> list[Model]:
        """What can be asked for: routes, models of this machine, and those that providers have told of. Raises CorralError."""
        self._ready()
        return await self._backend.models(self._principal)

    # within

    def _ready(self) -> Inference:
        if self._inference is None:
            if self._closed:
                raise ShuttingDown("This LLM was closed. Make a new one.")
            raise InvalidRequest("This LLM was not started: use it under `async with`, or await its `start`.")
        return self._inference

    def _ask(self, messages: Messages, shape: Shape | None, options: ChatOptions, *, stream: bool) -> Ask:
        from corral.inference.types import Ask

        model, form = options.get("model"), shape.format if shape is not None else None
        request = request_of(model or "", messages_of(messages, options.get("system")), form, options, stream=stream)
        body = DIALECTS[DIALECT].write_request(request, model or "").body
        headers = headers_of(options)
        return Ask("chat", DIALECT, model, body, stream, headers, new_id("lib"), request)


class _Vector(msgspec.Struct):
    embedding: tuple[float, ...]
    index: int = 0


class _Count(msgspec.Struct):
    prompt_tokens: int = 0


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: _Count | None = None


def _answer(told: Told, headers: Mapping[str, str], shape: Shape | None) -> Answer[Any]:
    if not told.choices:
        raise UpstreamFailed("The provider gave no answer.")
    choice = told.choices[0]
    parts = choice.parts
    text = "".join(part.text for part in parts if isinstance(part, Text))
    calls = tuple(part for part in parts if isinstance(part, ToolCall))
    refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
    value = None
    if shape is not None and not calls and not refusal:
        _check_whole(choice.reason, text)
        value = shape.read(text)
    return Answer(
        text=text,
        value=value,
        reasoning="".join(part.text for part in parts if isinstance(part, Reasoning)),
        refusal=refusal,
        tool_calls=calls,
        images=tuple(part for part in parts if isinstance(part, Image)),
        message=Message("assistant", parts),
        stop_reason=choice.reason,
        usage=told.usage,
        provider=headers.get("X-Corral-Provider", ""),
        model=headers.get("X-Corral-Model", ""),
        attempts=int(headers.get("X-Corral-Attempts", "0")),
        cache=headers.get("X-Corral-Cache", ""),
        structured=headers.get("X-Corral-Structured", ""),
    )


def _check_whole(reason: str, text: str) -> None:
    """Raises OutputInvalid for an answer that says by itself why it has no value."""
    why = {"length": "it was cut by max_tokens", "content_filter": "the provider's rules cut it off"}.get(reason)
    if why is not None:
        details = {"problems": [why], "repairs": 0, "text": text[:2000]}
        raise OutputInvalid(f"The answer has no value of the form that was asked for: {why}.", details=details)
