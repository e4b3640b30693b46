"""Corral: one server that turns a machine into a private AI service, and the same as a library.

    from corral import LLM

    async with LLM() as llm:
        answer = await llm.chat("Hello!", model="cria")

Names are loaded when they are asked for: `import corral` alone loads nothing else. See docs/guides/library.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from corral.version import __version__

if TYPE_CHECKING:
    from corral import errors
    from corral.dialects.form import (
        Audio,
        Document,
        Finished,
        Image,
        ImageDelta,
        Message,
        Reasoning,
        ReasoningDelta,
        Refusal,
        RefusalDelta,
        Started,
        Text,
        TextDelta,
        Tool,
        ToolCall,
        ToolCallDelta,
        ToolResult,
        Usage,
    )
    from corral.library import LLM, Answer, AnswerStream, Embeddings, Model, SyncLLM, SyncStream, image, tool_result

__all__ = [
    "LLM",
    "Answer",
    "AnswerStream",
    "Audio",
    "Document",
    "Embeddings",
    "Finished",
    "Image",
    "ImageDelta",
    "Message",
    "Model",
    "Reasoning",
    "ReasoningDelta",
    "Refusal",
    "RefusalDelta",
    "Started",
    "SyncLLM",
    "SyncStream",
    "Text",
    "TextDelta",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolResult",
    "Usage",
    "__version__",
    "errors",
    "image",
    "tool_result",
]

_LIBRARY = ("LLM", "Answer", "AnswerStream", "Embeddings", "Model", "SyncLLM", "SyncStream", "image", "tool_result")


def __getattr__(name: str) -> Any:
    """A public name, loaded now."""
    if name not in __all__:
        raise AttributeError(f"module 'corral' has no attribute {name!r}")
    if name == "errors":
        return import_module("corral.errors")
    return getattr(import_module("corral.library" if name in _LIBRARY else "corral.dialects.form"), name)


def __dir__() -> list[str]:
    """The public names."""
    return __all__
