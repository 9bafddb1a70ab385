"""Make the small copy of a layer's public vectors that clones without `../shared` test on.

    python tests/quant/ibert/reduce_vectors.py LAYER.npz tests/quant/ibert/data/REDUCED.npz

Two heads, eight query rows and every key that may be attended to (with a few masked ones) keep
each row of the softmax and of both LayerNorms whole; projections keep some output channels.
Masked keys carry probability 0, so leaving most of them out changes no other element.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

from transfab.quant.ibert.vectors import read_vectors

HEADS = (1, 3)
ROWS = (0, 5, 13, 15, 22, 40, 60, 127)
MASKED_KEYS = 3
FEW = 64
INNER = 256

# Pattern of a path -> what is kept of each axis; the first that matches holds.
CUTS = (
    (r".*_fp32|.*act(_[a-z]+)?/output0(?<!linear/output0)", None),
    (r"self_attention/linear_q/input", ("rows",)),
    (r"self_attention/linear_[kv]/input", ("keys",)),
    (r"self_attention/linear_./(weight|bias)_integer", ("channels",)),
    (r"self_attention/act_[qkv]/[me]", ("channels",)),
    (r"self_attention/(linear|act)_q/(input|output)", ("rows", "channels")),
    (r"self_attention/(linear|act)_[kv]/(input|output)", ("keys", "channels")),
    (r"self_attention/attention_matmul/input_q_\d+", ("rows",)),
    (r"self_attention/(attention|softmax)_matmul/input_[kv]_\d+", ("keys",)),
    (r"self_attention/(attention_matmul|softmax)/.*put_\d+", ("rows", "keys")),
    (r"self_attention/softmax_matmul/input_softmax_\d+", ("rows", "keys")),
    (r"self_attention/(softmax_matmul|concat)/.*put_\d+", ("rows",)),
    (r"self_attention/(concat|act_out)/(input|output)", ("rows", "channels")),
    (r"self_output/linear/(weight|bias)_integer", ("few",)),
    (r"self_output/linear/output", ("rows", "few")),
    (r"intermediate/linear/input", ("rows",)),
    (r"intermediate/.*/(bias_integer|b|c|shift|m|e)", ("inner",)),
    (r"intermediate/.*|output/linear/input", ("rows", "inner")),
    (r".*/(m|e|m1|e1|bias|bias_integer|shift|b|c|x0|const)", ()),
    (r".*", ("rows",)),
)


def reduce(source: Path) -> dict[str, np.ndarray]:
    """The arrays of the small copy, under the names that they have in `source`."""
    whole = read_vectors(source)
    size = whole.array("self_attention/attention_matmul/input_q_0").shape[1]
    kept = {
        "rows": list(ROWS),
        "keys": list(range(int(whole.mask().sum()) + MASKED_KEYS)),
        "channels": [head * size + column for head in HEADS for column in range(size)],
        "few": list(range(FEW)),
        "inner": list(range(INNER)),
    }
    small = {}
    for name, array in whole.arrays.items():
        axes = next(axes for pattern, axes in CUTS if re.fullmatch(pattern, name))
        stem, _, head = name.rpartition("_")
        if axes is None or (head.isdecimal() and int(head) not in HEADS):
            continue
        if array.ndim:
            for axis, what in enumerate(axes):
                array = array.take(kept[what], axis=axis)
        small[f"{stem}_{HEADS.index(int(head))}" if head.isdecimal() else name] = array
    return small


if __name__ == "__main__":
    np.savez_compressed(sys.argv[2], **reduce(Path(sys.argv[1])))
