"""Run tops of a compiled library as a file of runs says, and compare every byte.

    python replay.py LIBRARY RUNS

0 if all are as expected, else 1 and one line. Imports nothing but what Python brings.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any


def difference(function: Any, run: dict[str, Any]) -> str:
    """What is wrong with a run, or nothing."""
    inputs = [bytes.fromhex(text) for text in run["inputs"]]
    expected, width = bytes.fromhex(run["expected"]), run["width"]
    pointers = (ctypes.c_char_p * len(inputs))(*inputs)
    beats = (ctypes.c_int64 * len(inputs))(*(len(one) // width for one in inputs))
    out = ctypes.create_string_buffer(len(expected))
    error = ctypes.create_string_buffer(256)
    if not function(
        run["top"].encode(),
        ctypes.c_int64(run["sequence"]),
        pointers,
        beats,
        out,
        ctypes.c_int64(len(expected) // width),
        error,
        ctypes.c_size_t(len(error)),
    ):
        return error.value.decode()
    for at, (want, got) in enumerate(zip(expected, out.raw, strict=True)):
        if want != got:
            return f"beat {at // width} byte {at % width} is {got}, expected {want}"
    return ""


def main(library: str, file: str) -> int:
    function = ctypes.CDLL(library).TransfabRunTop
    function.restype = ctypes.c_bool
    with open(file, encoding="utf-8") as opened:
        runs = json.load(opened)
    for run in runs:
        if wrong := difference(function, run):
            print(f"{run['name']}: {wrong}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
