"""The shapes of what clients send, the same over HTTP and Socket.IO."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from corral.kit.sayable import sayable

Values = Annotated[dict[str, Any], AfterValidator(sayable)]
"""Options or settings by name, checked later one by one."""
ModelName = Annotated[str, Field(min_length=1, max_length=512)]
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""The name of a template or a profile."""
Text = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Version = Annotated[int, Field(ge=0, le=2**31 - 1)]
Apply = Literal["now", "next"]
Scope = Literal["model", "server", "app", "template", "profile"]
ModelNames = Annotated[list[ModelName], Field(min_length=1, max_length=5000)]
RepoName = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A repository of a hub."""
FileNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(min_length=1, max_length=200)]
Key = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
"""An id of the history."""
