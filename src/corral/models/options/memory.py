"""Memory and GPU options: what is held where."""

from __future__ import annotations

from corral.models.options.types import Group, Kind, Option

_M, _G = Group.MEMORY, Group.GPU
CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
"""The types of a KV cache."""

MEMORY: tuple[Option, ...] = (
    Option("cache_type_k", _M, Kind.CHOICE, "K cache type", "f16",
        "How exactly the K part of the context is kept. q8_0 halves its memory with little loss.",
        "--cache-type-k", "cache_type_k", choices=CACHE_TYPES, shared=True),
    Option("cache_type_v", _M, Kind.CHOICE, "V cache type", "f16",
        "How exactly the V part of the context is kept. Smaller types need flash attention.",
        "--cache-type-v", "cache_type_v", choices=CACHE_TYPES, shared=True),
    Option("load_mode", _M, Kind.CHOICE, "Loading", "auto",
        "How the file comes into memory: mmap reads it as needed, none copies it, mlock keeps it from being swapped out, dio goes past the system's cache.",
        "--load-mode", "load_mode", choices=("auto", "none", "mmap", "mlock", "mmap+mlock", "dio"), shared=True),
    Option("kv_unified", _M, Kind.BOOL, "Shared context", False,
        "All slots share one context memory, so that one long conversation can use what others leave.",
        "--kv-unified", "kv_unified", off_flag="--no-kv-unified", shared=True),
    Option("cache_ram", _M, Kind.INT, "Prompt cache", 0,
        "Memory for prompts that were answered before, so that they need not be read again; 0 keeps none.",
        "--cache-ram", "cache_ram_mib", unit="MiB", minimum=0, maximum=1_048_576, shared=True, imposed=True),
    Option("cache_prompt", _M, Kind.BOOL, "Reuse the context", True,
        "A conversation that goes on reads only what is new.",
        "--cache-prompt", "cache_prompt", off_flag="--no-cache-prompt", shared=True, advanced=True),
    Option("cache_reuse", _M, Kind.INT, "Reuse moved parts", 0,
        "Least length of a part that is reused although it moved in the prompt; 0 does not.",
        "--cache-reuse", "n_cache_reuse", unit="tokens", minimum=0, maximum=1_048_576, shared=True, advanced=True),
    Option("swa_full", _M, Kind.BOOL, "Whole sliding window", False,
        "Keeps the whole context of models with a sliding window, so that it can be reused and saved; needs more memory.",
        "--swa-full", "swa_full", advanced=True),
)  # fmt: skip

GPU: tuple[Option, ...] = (
    Option("gpu_layers", _G, Kind.INT, "Layers on the GPU", -1,
        "Layers that are kept on the GPU; -1 takes as many as fit, 0 none.",
        "--gpu-layers", "n_gpu_layers", unit="layers", minimum=-1, maximum=100_000, shared=True),
    Option("split_mode", _G, Kind.CHOICE, "Split over GPUs", "layer",
        "How several GPUs share the model: whole layers, rows of its matrices, tensors, or one GPU alone.",
        "--split-mode", "split_mode", choices=("none", "layer", "row", "tensor"), shared=True, advanced=True),
    Option("tensor_split", _G, Kind.FLOATS, "Shares of the GPUs", None,
        "What share each GPU takes, for example 3 and 1.",
        "--tensor-split", "tensor_split", minimum=0, maximum=1_000_000, count=(1, 128), shared=True, advanced=True),
    Option("main_gpu", _G, Kind.INT, "Main GPU", 0,
        "The GPU that holds the model when it is not split, and else the small results.",
        "--main-gpu", "main_gpu", minimum=0, maximum=127, shared=True, advanced=True),
    Option("device", _G, Kind.TEXTS, "Devices", None,
        "Names of the devices to use, or none. Not set: all of them.",
        "--device", None, minimum=1, maximum=100, count=(1, 32), advanced=True),
    Option("kv_offload", _G, Kind.BOOL, "Context on the GPU", True,
        "Keeps the context with the layers on the GPU.",
        "--kv-offload", "!no_kv_offload", off_flag="--no-kv-offload", shared=True),
    Option("op_offload", _G, Kind.BOOL, "Compute on the GPU", True,
        "Lets the GPU compute with tensors that are kept in main memory.",
        "--op-offload", "!no_op_offload", off_flag="--no-op-offload", advanced=True),
    Option("override_tensor", _G, Kind.TEXTS, "Tensor placement", None,
        "Where tensors with matching names are kept, each as PATTERN=PLACE, for example blk\\.0\\.=CPU.",
        "--override-tensor", "tensor_buft_overrides", minimum=3, maximum=500, count=(1, 64), advanced=True),
    Option("n_cpu_moe", _G, Kind.INT, "Experts in main memory", 0,
        "The experts of the first N layers stay in main memory, so that large mixtures fit beside a small GPU.",
        "--n-cpu-moe", "tensor_buft_overrides", unit="layers", minimum=0, maximum=1_000),
    Option("moe_cache_mib", _G, Kind.INT, "Cache for experts", 0,
        "GPU memory that caches the experts of main memory; 0 caches none.",
        "--moe-cache-mib", "moe_cache_size", unit="MiB", minimum=0, maximum=1_048_576, advanced=True),
)  # fmt: skip
