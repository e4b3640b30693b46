"""Options of all engines of this machine. Those of other groups that are shared can be set here as well."""

from __future__ import annotations

from corral.models.options.types import Group, Kind, Option

_G = Group.SERVER
_PRIORITIES = ("low", "normal", "medium", "high", "realtime")

SERVER: tuple[Option, ...] = (
    Option("threads_http", _G, Kind.INT, "Request threads", -1,
        "Threads that take requests in an engine; -1 as many as it needs for its slots.",
        "--threads-http", "n_threads_http", minimum=-1, maximum=512, advanced=True),
    Option("timeout", _G, Kind.INT, "Connection timeout", 3600,
        "How long an engine waits for a silent connection.",
        "--timeout", "timeout_read", unit="s", minimum=1, maximum=604_800, advanced=True),
    Option("sse_ping_interval", _G, Kind.INT, "Ping", 30,
        "How often an engine shows that it is alive while nothing is to be sent; -1 never.",
        "--sse-ping-interval", "sse_ping_interval", unit="s", minimum=-1, maximum=3_600, advanced=True),
    Option("verbosity", _G, Kind.INT, "Engine log", 3,
        "What engines write to the log: 1 errors, 2 warnings, 3 information, 4 and 5 everything.",
        "--verbosity", "verbosity", minimum=1, maximum=5),
    Option("numa", _G, Kind.CHOICE, "NUMA", None,
        "How threads are spread over the memory nodes of a large machine.",
        "--numa", "numa", choices=("distribute", "isolate", "numactl"), advanced=True),
    Option("prio", _G, Kind.CHOICE, "Priority", "normal",
        "Priority of the threads that compute; above normal needs rights.",
        "--prio", "cpuparams.priority", choices=_PRIORITIES, advanced=True),
    Option("poll", _G, Kind.INT, "Polling", 50,
        "How eagerly idle threads look for work: 0 sleeps, 100 never does.",
        "--poll", "cpuparams.poll", unit="%", minimum=0, maximum=100, advanced=True),
    Option("cpu_range", _G, Kind.INTS, "CPU cores", None,
        "The first and the last core that engines may use.",
        "--cpu-range", "cpuparams.cpumask", minimum=0, maximum=511, count=(2, 2), advanced=True),
    Option("cpu_strict", _G, Kind.BOOL, "One core each", False,
        "Ties each thread to a core of its own.",
        "--cpu-strict", "cpuparams.strict_cpu", advanced=True),
    Option("perf", _G, Kind.BOOL, "Inner timings", True,
        "Measures times inside of the engine and writes them to its log.",
        "--perf", "!no_perf", off_flag="--no-perf", advanced=True),
    Option("cache_idle_slots", _G, Kind.BOOL, "Cache idle slots", True,
        "Moves the context of idle slots into the prompt cache, where there is one.",
        "--cache-idle-slots", "cache_idle_slots", off_flag="--no-cache-idle-slots", advanced=True),
    Option("fit_target", _G, Kind.INT, "Memory left free", 1024,
        "GPU memory that fitting leaves free on each device.",
        "--fit-target", "fit_params_target", unit="MiB", minimum=0, maximum=1_048_576, advanced=True),
    Option("fit_ctx", _G, Kind.INT, "Least context when fitting", 4096,
        "The context below which fitting does not go.",
        "--fit-ctx", "fit_params_min_ctx", unit="tokens", minimum=1, maximum=16_777_216, advanced=True),
    Option("embd_normalize", _G, Kind.INT, "Norm of embeddings", 2,
        "How embeddings are scaled: -1 not, 0 by the largest value, 1 taxicab, 2 Euclidean, above that the p-norm.",
        "--embd-normalize", "embd_normalize", minimum=-1, maximum=100, advanced=True),
    Option("special", _G, Kind.BOOL, "Special tokens", False,
        "Shows special tokens in answers.",
        "--special", "special", advanced=True),
)  # fmt: skip
