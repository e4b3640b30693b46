"""Writes what it is told into a store: `store_writer.py FILE FAULTPOINT` with groups of operations as lines of JSON.

Operations of one group are submitted at once. Each answered one is told by its number, `done N` or `failed N`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from corral.kit.faultpoints import arm
from corral.store import Database, Location


def work(kind: str, key: int, value: str) -> Any:
    """One operation as a function of a connection."""

    def run(connection: Connection) -> None:
        connection.execute(text("DELETE FROM kept WHERE k = :k"), {"k": key})
        if kind != "delete":
            connection.execute(text("INSERT INTO kept VALUES (:k, :v)"), {"k": key, "v": value})
        if kind == "fail":
            raise ValueError("as told")

    return run


async def main(file: str, faultpoint: str) -> None:
    """Opens, does all groups, closes."""
    database = await Database.open(Location(Path(file)))
    create = text("CREATE TABLE IF NOT EXISTS kept (k INTEGER PRIMARY KEY, v TEXT)")
    await database.write(lambda connection: connection.execute(create) and None)
    if faultpoint:
        arm(faultpoint)

    async def one(number: int, operation: list[Any]) -> None:
        try:
            await database.write(work(*operation))
        except ValueError:
            os.write(1, f"failed {number}\n".encode())
        else:
            os.write(1, f"done {number}\n".encode())

    number = 0
    for line in sys.stdin:
        group = json.loads(line)
        await asyncio.gather(*(one(number + place, operation) for place, operation in enumerate(group)))
        number += len(group)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
