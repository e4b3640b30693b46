"""Corral in a program of one's own: the same routes, providers, failover, limits and forms of answers, without a server. See docs/rooms/library.md."""

from __future__ import annotations

from corral.library.llm import LLM
from corral.library.messages import image, tool_result
from corral.library.streams import AnswerStream
from corral.library.sync import SyncLLM, SyncStream
from corral.library.types import Answer, Embeddings, Model

__all__ = ["LLM", "Answer", "AnswerStream", "Embeddings", "Model", "SyncLLM", "SyncStream", "image", "tool_result"]
