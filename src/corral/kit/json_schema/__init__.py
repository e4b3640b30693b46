"""JSON schema, the keywords of draft 2020-12 (and of draft 7 where they differ) that describe data, with `$ref` within the schema.

`fault` says whether a schema is understood, `problems` whether a value is as one says. Both are bounded in work and depth.
"""

from __future__ import annotations

from corral.kit.json_schema.schemas import Fault, fault
from corral.kit.json_schema.values import problem, problems

__all__ = ["Fault", "fault", "problem", "problems"]
