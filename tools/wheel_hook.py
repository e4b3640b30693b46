"""What hatchling asks while it builds a wheel: puts the web app in, its largest files as .xz.

The engines for browsers are most of the wheel; xz packs them a third smaller than the wheel's own deflate, and
`corral.surfaces.web` unpacks them piece by piece for whoever asks.
"""

from __future__ import annotations

import lzma
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LARGE = 1024 * 1024
"""As in `corral.surfaces.web`: what is served from the disk."""
WEB = Path("src/corral/web_dist")


class WebFiles(BuildHookInterface[Any]):
    """The hook; see https://hatch.pypa.io/latest/plugins/build-hook/reference/."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Names the files of the web app, if it is built."""
        root = Path(self.root)
        if version == "editable":
            return
        packed = Path(self._folder.name)
        for path in sorted(root.joinpath(WEB).rglob("*")):
            if not path.is_file() or path.suffix == ".map":
                continue
            place = path.relative_to(root / "src")
            if path.stat().st_size < LARGE:
                build_data["force_include"][str(path)] = str(place)
                continue
            small = packed / f"{path.name}.xz"
            small.write_bytes(lzma.compress(path.read_bytes()))
            build_data["force_include"][str(small)] = f"{place}.xz"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clears up."""
        self._folder.cleanup()

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._folder = tempfile.TemporaryDirectory()
