"""Writes the demo model: a real GGUF that llama.cpp runs, whose answers follow a script.

It is a one-layer Llama whose attention and feed-forward weights are zero, so the next token depends on the last one
alone: the output matrix is a table "after this token comes that one". The chat template looks at the newest message
and puts the first token of the matching script behind it. Every step of every script is a token of its own, so an
answer that was cut anywhere is continued exactly from its text.

The tokenizer is llama.cpp's `rwkv` kind: greedy longest match over byte strings, with all 256 bytes as a last resort.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np

WIDTH = 512
CONTEXT = 8192
FOLLOW, END = 100.0, 40.0
JSON_BIAS = {'"': 38.0, "}": 34.0, "]": 32.0, ",": 28.0, ":": 24.0, "0": 10.0}
SPECIALS = ("<unk>", "<|im_start|>", "<|im_end|>")

DEMO = (
    "I am the small demo model that comes with Corral. I only know a few scripted answers, "
    "but everything around me is real: this text streams from a llama.cpp engine, and each piece of it is saved "
    "before you see it. Add a GGUF file to the models folder to talk with a real model. "
    "Try asking me for code, a table, a formula or a long story."
)
CODE = (
    "Here is a small function with its test:\n\n```python\ndef count_llamas(names: list[str]) -> int:\n"
    '    """How many of them are llamas."""\n    return sum(name.endswith("llama") for name in names)\n\n\n'
    'assert count_llamas(["a llama", "one horse"]) == 1\n```\n\nRun it with any Python you like.'
)
TABLE = (
    "Three horses side by side:\n\n| horse | height | temper |\n| --- | ---: | :--- |\n| Fjord | 143 cm | calm |\n"
    "| Arabian | 150 cm | lively |\n| Shire | 173 cm | gentle |\n\nThe Shire horse is by far the tallest."
)
MATH = (
    "The roots of a quadratic equation are\n\n$$x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}$$\n\n"
    "and inside a line one writes $e^{i\\pi} + 1 = 0$ for Euler's identity."
)
TOOL_CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
UNICODE = "Grüße! Ein Café, 漢字, emoji 🦙🌾 and a family 👩‍👩‍👧 — all of it arrives whole."
PARTS = ("gate", "creek", "hill", "barn", "field", "road", "pond", "wood", "mill", "camp")
DEEDS = (
    "stopped to look at the sky", "met a friend with a red scarf", "found a bucket of oats", "listened to the wind",
    "counted the fence posts twice", "waited for the rain to end", "told a joke about goats", "shared a quiet apple",
)  # fmt: skip


HOURS = 24


def story(hours: int = HOURS) -> str:
    """A long answer, the same every time."""
    lines = ["A day at the corral."]
    for hour in range(1, hours + 1):
        place, deed = PARTS[hour % len(PARTS)], DEEDS[hour % len(DEEDS)]
        lines.append(
            f"Hour {hour}: llama {hour} walked to {place} {hour}, {deed} {hour} times, and came home as number {hour}."
        )
    lines.append("So the long day ended, and nothing of it was lost.")
    return " ".join(lines)


SCRIPTS: dict[str, tuple[tuple[str, ...], str]] = {
    "ping": (("ping",), "pong"),
    "long": (("long", "story"), story()),
    "unicode": (("unicode",), UNICODE),
    "code": (("code", "Python", "function"), CODE),
    "table": (("table", "Compare"), TABLE),
    "math": (("math", "formula"), MATH),
    "hello": (("hello", "Hello", "Hi"), "Hello! What would you like to talk about?"),
    "tool": ((), TOOL_CALL),
    "told": ((), "The weather in Paris is sunny."),
    "demo": ((), DEMO),
}
"""Script name → words of the newest message that choose it (the first that fits), and the answer."""


@dataclass
class Vocabulary:
    """Tokens as byte strings; the place in the list is the id."""

    texts: list[bytes] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    ids: dict[bytes, int] = field(default_factory=dict)

    def add(self, text: bytes, kind: int = gguf.TokenType.NORMAL) -> int:
        """Adds a new token; ValueError when it is there already."""
        if text in self.ids:
            raise ValueError(f"token {text!r} twice")
        self.ids[text] = len(self.texts)
        self.texts.append(text)
        self.kinds.append(kind)
        return self.ids[text]

    def tokenize(self, data: bytes) -> list[int]:
        """Greedy longest match, as the engine does it."""
        longest = max(map(len, self.texts))
        found: list[int] = []
        place = 0
        while place < len(data):
            for length in range(min(longest, len(data) - place), 0, -1):
                token = self.ids.get(data[place : place + length])
                if token is not None and self.kinds[token] == gguf.TokenType.NORMAL:
                    found.append(token)
                    place += length
                    break
        return found


def pieces(text: str, taken: set[bytes]) -> list[bytes]:
    """Cuts an answer into pieces that no other step uses: as few words as make it new; wide characters are cut inside."""
    data = text.encode()
    result: list[bytes] = []
    current = b""
    for place, byte in enumerate(data):
        current += bytes([byte])
        following = data[place + 1 : place + 2]
        wide = len(following) == 1 and following[0] >= 0xF0
        border = following in (b" ", b"\n", b"", b"$", b"|") or (byte >= 0xF0 and len(current) > 1) or wide
        if border and len(current) > 1 and current not in taken:
            taken.add(current)
            result.append(current)
            current = b""
    if current:
        result[-1:] = [result[-1] + current]
        taken.add(result[-1])
    return result


class NotReadBack(ValueError):
    """A piece that the tokenizer would read otherwise, because a longer one begins with it."""

    def __init__(self, piece: bytes) -> None:
        super().__init__(repr(piece))
        self.piece = piece


def build(hours: int = HOURS) -> tuple[Vocabulary, dict[int, int]]:
    """The vocabulary, and which token follows which; the long story has so many `hours`."""
    answers = {name: answer for name, (_, answer) in SCRIPTS.items()} | {"long": story(hours)}
    avoided: set[bytes] = set()
    for _ in range(1000):
        try:
            return attempt(answers, avoided)
        except NotReadBack as problem:
            avoided.add(problem.piece)
    raise ValueError("no way to cut the scripts was found")


def attempt(answers: dict[str, str], avoided: set[bytes]) -> tuple[Vocabulary, dict[int, int]]:
    """One try with the `answers` of all scripts, without the pieces in `avoided`. Raises NotReadBack."""
    vocabulary = Vocabulary()
    for special in SPECIALS:
        vocabulary.add(special.encode(), gguf.TokenType.UNKNOWN if special == "<unk>" else gguf.TokenType.CONTROL)
    for value in range(256):
        vocabulary.add(bytes([value]))
    follows: dict[int, int] = {}
    end = vocabulary.ids[b"<|im_end|>"]
    taken = set(avoided)
    for name, answer in answers.items():
        previous = vocabulary.add(f"<|{name}|>".encode(), gguf.TokenType.CONTROL)
        for piece in pieces(answer, taken):
            token = vocabulary.add(piece)
            follows[previous] = previous = token
        follows[previous] = end
    for name, answer in answers.items():
        check(vocabulary, follows, name, answer)
    return vocabulary, follows


def check(vocabulary: Vocabulary, follows: dict[int, int], name: str, answer: str) -> None:
    """That the script gives the answer, and that every cut of it is read back as the same tokens."""
    end = vocabulary.ids[b"<|im_end|>"]
    token, chain = vocabulary.ids[f"<|{name}|>".encode()], []
    while (token := follows[token]) != end:
        chain.append(token)
    if b"".join(vocabulary.texts[token] for token in chain) != answer.encode():
        raise ValueError(f"script {name} does not give its answer")
    # No longer piece matches at any step of the whole answer, so none does when the answer is cut.
    for expected, read in zip(chain, vocabulary.tokenize(answer.encode()), strict=False):
        if expected != read:
            raise NotReadBack(vocabulary.texts[expected])


def template() -> str:
    """The chat template: ChatML, then the first token of the script that the newest user message chooses."""
    choices = "".join(
        f"{{%- {'if' if index == 0 else 'elif'} {' or '.join(f'{word!r} in ns.text' for word in words)} -%}}<|{name}|>"
        for index, (name, (words, _)) in enumerate((key, value) for key, value in SCRIPTS.items() if value[0])
    )
    tools = (
        "{%- if tools -%}{{- '<|im_start|>system\\nTools:\\n' -}}{%- for tool in tools -%}{{- tool | tojson + '\\n' -}}"
        "{%- endfor -%}{{- '<|im_end|>\\n' -}}{%- endif -%}"
    )
    # The engine learns from these lines how this model writes a tool call.
    calls = (
        '{%- for call in message.tool_calls or [] -%}{{- \'<tool_call>\\n{"name": "\' + call.function.name + \'", "arguments": \' -}}'
        "{{- call.function.arguments | tojson if call.function.arguments is not string else call.function.arguments -}}"
        "{{- '}\\n</tool_call>' -}}{%- endfor -%}"
    )
    return (
        "{%- set ns = namespace(text='', role='') -%}"
        + tools
        + "{%- for message in messages -%}{%- set ns.role = message.role -%}"
        "{%- if message.role == 'user' and message.content is string -%}{%- set ns.text = message.content -%}{%- endif -%}"
        "{{- '<|im_start|>' + message.role + '\\n' + (message.content if message.content is string else '') -}}"
        + calls
        + "{{- '<|im_end|>\\n' -}}{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}"
        "{%- if ns.role == 'tool' -%}<|told|>{%- elif tools and 'weather' in ns.text -%}<|tool|>"
        + choices.replace("{%- if ", "{%- elif ", 1)
        + "{%- else -%}<|demo|>{%- endif -%}{%- endif -%}"
    )


def escape(text: bytes, kind: int) -> str:
    """The form in which the engine's `rwkv` tokenizer keeps byte strings."""
    if kind != gguf.TokenType.NORMAL:
        return text.decode()
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in text)


def write(out: Path, *, layers: int = 1, feed_forward: int = 32, hours: int = HOURS, pooled: bool = False) -> None:
    """Writes the file. More layers and a wider feed-forward only make it slower; `pooled` makes an embedding model."""
    vocabulary, follows = build(hours)
    size = len(vocabulary.texts)
    random = np.random.default_rng(20261120)
    codes = random.choice(np.array([-1.0, 1.0], dtype=np.float32), size=(size, WIDTH))
    codes[:, 0] = 1.0
    output = np.zeros((size, WIDTH), dtype=np.float32)
    for before, after in follows.items():
        output[after, 1:] += codes[before, 1:] * (FOLLOW / (WIDTH - 1))
    output[vocabulary.ids[b"<|im_end|>"], 0] = END
    for letter, bias in JSON_BIAS.items():
        output[vocabulary.ids[letter.encode()], 0] = bias
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(str(out) + ".part", "llama")
    describe(writer, vocabulary, layers, feed_forward, pooled=pooled)
    zeros: dict[tuple[int, int], np.ndarray] = {}
    writer.add_tensor("token_embd.weight", codes.astype(np.float16))
    writer.add_tensor("output.weight", output.astype(np.float16))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, dtype=np.float32))
    for layer in range(layers):
        shapes = {
            "attn_q": (32, WIDTH), "attn_k": (32, WIDTH), "attn_v": (32, WIDTH), "attn_output": (WIDTH, 32),
            "ffn_gate": (feed_forward, WIDTH), "ffn_up": (feed_forward, WIDTH), "ffn_down": (WIDTH, feed_forward),
        }  # fmt: skip
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(WIDTH, dtype=np.float32))
        for name, shape in shapes.items():
            zeros.setdefault(shape, np.zeros(shape, dtype=np.float16))
            writer.add_tensor(f"blk.{layer}.{name}.weight", zeros[shape])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    Path(str(out) + ".part").replace(out)


def describe(writer: gguf.GGUFWriter, vocabulary: Vocabulary, layers: int, feed_forward: int, *, pooled: bool) -> None:
    """The metadata."""
    writer.add_name("Corral Demo")
    writer.add_license("Apache-2.0")
    writer.add_description("Scripted answers, for trying Corral out")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_key_length(32)
    writer.add_value_length(32)
    writer.add_rope_dimension_count(32)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary.texts))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("rwkv")
    writer.add_token_list([escape(text, kind) for text, kind in zip(vocabulary.texts, vocabulary.kinds, strict=True)])
    writer.add_token_types(vocabulary.kinds)
    writer.add_unk_token_id(vocabulary.ids[b"<unk>"])
    writer.add_bos_token_id(vocabulary.ids[b"<|im_start|>"])
    writer.add_eos_token_id(vocabulary.ids[b"<|im_end|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(template())
    if pooled:
        writer.add_pooling_type(gguf.PoolingType.MEAN)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--slow-layers", type=int, default=1, help="number of layers (default 1)")
    parser.add_argument("--feed-forward", type=int, default=32, help="width of each feed-forward (default 32)")
    parser.add_argument("--hours", type=int, default=HOURS, help=f"length of the long story (default {HOURS})")
    parser.add_argument("--embeddings", action="store_true", help="an embedding model instead")
    given = parser.parse_args()
    write(
        given.out,
        layers=given.slow_layers,
        feed_forward=given.feed_forward,
        hours=given.hours,
        pooled=given.embeddings,
    )
