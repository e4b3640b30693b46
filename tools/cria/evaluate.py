"""Examines the model: the held-out questions through a running engine, with a table of what each skill reached."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
from tools.cria.heldout import FRESH, HELDOUT, Item, Result, fault, items, stories

MAX_TOKENS = 96


class Examiner:
    """Asks an OpenAI-compatible server greedily, one fresh conversation a question."""

    def __init__(self, base_url: str, model: str, *, temperature: float = 0.0) -> None:
        self._client = httpx2.Client(base_url=base_url, timeout=120, trust_env=False)
        self._fixed = {"model": model, "temperature": temperature, "max_tokens": MAX_TOKENS, "seed": 1}

    def ask(self, chat: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
        """The answer's message; `finish` is added with the reason of its end."""
        body = {**self._fixed, "messages": chat, **({"tools": tools} if tools else {}), **more}
        answer = self._client.post("/chat/completions", json=body)
        if answer.status_code != 200:
            return {"content": f"({answer.status_code}: {answer.text[:200]})", "finish": "error"}
        choice = answer.json()["choices"][0]
        return {**choice["message"], "finish": choice["finish_reason"]}

    def examine(self, item: Item) -> Result:
        """One question and its mark."""
        message = self.ask(item.chat, item.tools)
        text, calls = message.get("content") or "", message.get("tool_calls") or []
        return Result(item, text or json.dumps(calls), fault(item.check, text, calls))

    def story(self, story: dict[str, Any]) -> list[Result]:
        """A newcomer's chat, each answer part of what the next one sees."""
        chat: list[dict[str, Any]] = []
        results = []
        for turn in story["turns"]:
            chat.append({"role": "user", "content": turn["say"]})
            text = self.ask(chat).get("content") or ""
            results.append(
                Result(
                    Item(story["id"], "first run", list(chat), [], turn["check"]), text, fault(turn["check"], text, [])
                )
            )
            chat.append({"role": "assistant", "content": text})
        return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:3000/v1")
    parser.add_argument("--model", default="cria")
    parser.add_argument("--skill", default="*", help="a pattern of file names")
    parser.add_argument("--fresh", action="store_true", help="the set of which only sums are looked at")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--wrong", type=int, default=0, help="shows up to so many wrong answers a skill")
    given = parser.parse_args()
    folder = FRESH if given.fresh else HELDOUT
    if given.fresh and given.wrong:
        parser.error("--wrong would show questions of --fresh, which could then no longer serve")
    examiner = Examiner(given.url, given.model, temperature=given.temperature)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(examiner.examine, items(given.skill, folder)))
        told = list(pool.map(examiner.story, stories(folder))) if given.skill == "*" else []
    by_skill: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_skill[result.item.skill].append(result)
    if told:
        by_skill["first run (turns)"] = [result for story in told for result in story]
    for skill, found in by_skill.items():
        wrong = [one for one in found if one.wrong]
        print(f"{skill:20} {1 - len(wrong) / len(found):7.1%}  {len(found) - len(wrong)} of {len(found)}")
        for one in wrong[: given.wrong]:
            print(f"    {one.item.id}: {one.item.chat[-1]['content']!r} -> {one.answer!r}: {one.wrong}")
    objects = [one for one in results if "json" in one.item.check]
    if objects:
        keys = sum(one.wrong in ("", "wrong value") for one in objects)
        print(f"{'JSON, right keys':20} {keys / len(objects):7.1%}  {keys} of {len(objects)}")
    good = sum(not one.wrong for one in results)
    print(f"{'all':20} {good / len(results):7.1%}  {good} of {len(results)}")
    if told:
        whole = sum(all(not one.wrong for one in story) for story in told)
        print(f"{'first run (chats)':20} {whole / len(told):7.1%}  {whole} of {len(told)}")


if __name__ == "__main__":
    main()
