"""Options of models that see or hear."""

from __future__ import annotations

from corral.models.options.types import Group, Kind, Option

_G = Group.MULTIMODAL

MULTIMODAL: tuple[Option, ...] = (
    Option("mmproj", _G, Kind.PATH, "Projector", None,
        "The file that turns images or sound into tokens. Not set: the one that was found beside the model.",
        "--mmproj", "mmproj.path"),
    Option("mmproj_auto", _G, Kind.BOOL, "Use the projector", True,
        "Off: the model reads text alone, and needs less memory.",
        "--mmproj-auto", "!no_mmproj", off_flag="--no-mmproj-auto"),
    Option("mmproj_offload", _G, Kind.BOOL, "Projector on the GPU", True,
        "Computes the projector on the GPU.",
        "--mmproj-offload", "mmproj_use_gpu", off_flag="--no-mmproj-offload", advanced=True),
    Option("mmproj_device", _G, Kind.TEXT, "Projector device", None,
        "The device of the projector, or none. Not set: that of the model.",
        "--mmproj-device", "mmproj_device", minimum=1, maximum=100, advanced=True),
    Option("image_min_tokens", _G, Kind.INT, "Least tokens per image", -1,
        "Tokens that an image takes at least, for models that allow a choice; -1 as the model says.",
        "--image-min-tokens", "image_min_tokens", unit="tokens", minimum=-1, maximum=1_048_576),
    Option("image_max_tokens", _G, Kind.INT, "Most tokens per image", -1,
        "Tokens that an image takes at most; -1 as the model says.",
        "--image-max-tokens", "image_max_tokens", unit="tokens", minimum=-1, maximum=1_048_576),
    Option("mtmd_batch_max_tokens", _G, Kind.INT, "Image batch", 1024,
        "Tokens of images that are computed at once.",
        "--mtmd-batch-max-tokens", "mtmd_batch_max_tokens", unit="tokens", minimum=1, maximum=1_048_576, advanced=True),
)  # fmt: skip
