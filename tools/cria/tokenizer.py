"""The tokenizer: byte-level BPE whose merges are all frequent in what the model has to copy.

Pre-tokenisation as llama.cpp's `smollm`: every digit alone, then GPT-2's pattern. Merges that training sees rarely
break copying, so the vocabulary is small and learnt mostly from the words that are copied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from tools.cria import chats, drills, memory
from tools.cria.answers import CORRAL, SMALLTALK
from tools.cria.book import Book

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
VOCABULARY = 1024


def corpus(seed: int, chat_count: int = 6000) -> Iterator[str]:
    """Texts in the proportions that matter: copied words first, then everything else."""
    random, book = Random(seed), Book(more=False)
    for _ in range(chat_count * 5):
        yield drills.repeat(book, random)[1]
        yield memory.tell(memory.new_fact(random), book, random)[1]
    for _ in range(chat_count):
        for turn in chats.chat(book, random):
            if len(turn.content) < 400:
                yield turn.content
    for _ in range(10):
        yield from (*CORRAL.values(), *SMALLTALK.values())


def blank(model: models.Model) -> Tokenizer:
    """A tokenizer around `model`, with the pre-tokenisation."""
    tokenizer = Tokenizer(model)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train(seed: int, path: Path) -> Tokenizer:
    """Learns the merges and writes them as `tokenizers` JSON."""
    tokenizer = blank(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(text, special=True) for text in SPECIALS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        max_token_length=8,
    )
    tokenizer.train_from_iterator(corpus(seed), trainer)
    tokenizer.save(str(path))
    return tokenizer


def merges(path: Path) -> list[str]:
    """The merges as llama.cpp wants them: "a b"."""
    found = json.loads(path.read_text())["model"]["merges"]
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in found]
