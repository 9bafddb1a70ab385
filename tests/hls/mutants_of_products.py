"""Broken types, records, matrix engines, stage 1 and stage 3.

Name -> old text, new text, the top that shows it and, unless it is the ragged one, the build.
"""

from __future__ import annotations

from typing import Final

TYPES: Final = {
    "shift-truncates": ("(shift == 0 ? Int<kBits>(0) : half)", "Int<kBits>(0)", "qkv"),
    "shift-rounds-half-down": (": half))", ": Int<kBits>(half - 1)))", "qkv"),
    "clamp-at-minus-128": (
        "if (value < Value(-kLimit)) return Int<kBits>(-kLimit);",
        "if (value < Value(-kLimit - 1)) return Int<kBits>(-kLimit - 1);",
        "qkv",
    ),
    "clamp-at-minus-129-then-cast": (
        "if (value < Value(-kLimit)) return Int<kBits>(-kLimit);",
        "if (value < Value(-kLimit - 2)) return Int<kBits>(-kLimit - 2);",
        "qkv",
    ),
    "clamp-wraps-upwards": ("if (value > Value(kLimit)) return Int<kBits>(kLimit);", "", "output"),
    "clamp-at-128": ("(kBits - 1)) - 1;", "(kBits - 1));", "intermediate"),
    "bit-length-one-short": ("bits = UInt<6>(bit + 1)", "bits = UInt<6>(bit)", "output"),
    "divides-down": ("(value + step - 1) / step", "value / step", "qkv"),
}
STREAM: Final = {
    "elements-big-endian": ("byte << (8 * i)", "byte << (8 * (kBits / 8 - 1 - i))", "qkv"),
    "padding-is-not-zero": ("beat.byte[i] = 0;", "beat.byte[i] = 85;", "qkv"),
    "forwards-one-beat-less": ("i < beats; ++i", "i < beats - 1; ++i", "intermediate"),
}
RECORDS: Final = {
    "multiplier-from-the-bias": (
        "Int<18>(Element<32>(beat, 4 * index + 1))",
        "Int<18>(Element<32>(beat, 4 * index))",
        "qkv",
    ),
    "offset-from-the-first-half": ("2 * index + 1", "2 * index", "qkv"),
    "bias-from-the-first-record": (
        "Element<32>(beat, 4 * index))",
        "Element<32>(beat, 0))",
        "qkv",
        "even",
    ),
    "last-value-not-read": ("i < kCount) {", "i < kCount - 1) {", "attention"),
    "last-record-not-read": ("i < kCount) records", "i < kCount - 1) records", "qkv"),
}
REQUANTIZE: Final = {
    "offset-dropped": (" + record.offset)", ")", "qkv"),
    "narrow-by-the-next-shift": ("UInt<6>(scalars[0])", "UInt<6>(scalars[1])", "qkv"),
    "narrow-skips-one-beat-of-mask": ("BeatsOf<Config, 8>(rows)", "1", "qkv"),
    "narrow-wraps": (
        "Requantize<8>(Int<27>(element), records[channel], shift)",
        "Int<8>(Requantize<16>(Int<27>(element), records[channel], shift))",
        "qkv",
    ),
    "narrow-by-the-records-of-a-beat": ("records[channel], shift", "records[i], shift", "qkv"),
    "narrow-swaps-halves-of-a-beat": (
        "const int base = beat * kPerBeat % kLanes;",
        "const int base = (kLanes - kPerBeat) - beat * kPerBeat % kLanes;",
        "intermediate",
    ),
}
GEMM: Final = {
    "sums-start-stale": ("first ? Int<27>(0) : sums[pe]", "sums[pe]", "qkv"),
    "sums-never-added": ("first ? Int<27>(0) : sums[pe]", "Int<27>(0)", "qkv"),
    "by-channel-starts-once": ("k == 0, partial[step]", "n == 0 && k == 0, partial[step]", "qkv"),
    "by-channel-buffer-never-turns": (
        "const int ping = (n * kDepthTiles + k) & 1;",
        "const int ping = 0;",
        "qkv",
    ),
    "by-channel-buffer-turns-with-n": (
        "(n * kDepthTiles + k) & 1",
        "(n + k) & 1",
        "qkv",
        "wide",
    ),
    "by-channel-sends-the-first-depth": ("k == kDepthTiles - 1) {", "k == 0) {", "qkv"),
    "by-channel-a-depth-tile-short": (
        "kDepthTiles = CeilDivide(Shape::kDepth, kSimd);",
        "kDepthTiles = Shape::kDepth / kSimd;",
        "qkv",
    ),
    "by-depth-buffer-never-turns": ("ping = 1 - ping;", "", "output"),
    "by-depth-starts-every-block": ("block == 0 && k == 0,", "k == 0,", "output"),
    "by-depth-never-starts": ("block == 0 && k == 0,", "false,", "output"),
    "by-depth-a-channel-tile-short": (
        "kTiles = CeilDivide(Shape::kChannels, kPe);",
        "kTiles = Shape::kChannels / kPe;",
        "output",
    ),
    "last-block-is-whole": (
        "last_block ? Shape::kLastBlock : Shape::kBlock",
        "Shape::kBlock",
        "output",
        "wide",
    ),
    "tile-longer-than-many-rows-cut": (
        "Larger(rows, Larger(beats, kTurnaround))",
        "(rows < kTurnaround ? Larger(beats, kTurnaround) : rows)",
        "intermediate",
        "wide",
    ),
    "tile-longer-than-few-rows-cut": (
        "Larger(rows, Larger(beats, kTurnaround))",
        "Larger(rows, kTurnaround)",
        "intermediate",
        "wide",
    ),
    "dot-drops-its-last-product": (
        "> sum = 0;",
        "> sum = Int<kLeft + 8 + IndexBits(kSimd)>(-left[kSimd - 1] * right[kSimd - 1]);",
        "output",
    ),
    "operand-unsigned": (
        "Held<8>(Int<8>(word.byte[i]))",
        "Held<8>(word.byte[i])",
        "output",
    ),
    "weight-unsigned": (
        "Held<8>(Int<8>(beat.byte[group * kSimd + i]))",
        "Held<8>(beat.byte[group * kSimd + i])",
        "output",
    ),
    "groups-of-a-beat-in-one-row": ("index * kGroups + group;", "index * kGroups;", "qkv"),
    "by-depth-rows-of-one-tile": (
        "out.lane[pe] = partial[n][row][pe];",
        "out.lane[pe] = partial[0][row][pe];",
        "output",
    ),
}
QKV: Final = {
    "shift-of-the-tiles-first-channel": (
        "(n * Shape::kPe + pe) / Config::kHeadSize",
        "n * Shape::kPe / Config::kHeadSize",
        "qkv",
    ),
    "shift-of-the-head": ("/ Config::kHeadSize % 3", "/ Config::kHeadSize / 3 % 3", "qkv"),
    "shifts-of-key-and-value-swapped": ("scalars[1 + part]", "scalars[1 + (3 - part) % 3]", "qkv"),
    "bias-dropped": (" + records[pe].first", "", "qkv"),
    "tiles-end-at-heads": (
        "kTiles = CeilDivide(kChannels, kPe);",
        "kTiles = Config::kHeads * CeilDivide(3 * Config::kHeadSize, kPe);",
        "qkv",
    ),
}
BLOCKS: Final = {
    "ring-slot-off-by-one": (
        "channel / kBlock % kRing",
        "(channel / kBlock + 1) % kRing",
        "intermediate",
    ),
    "ring-a-slot-short": ("kBlock) + 1;", "kBlock);", "intermediate"),
    "ring-a-slot-short-for-heads": ("kBlock) + 1;", "kBlock);", "qkv"),
    "sent-a-tile-early": ("(n + 1) * Shape::kPe", "(n + 2) * Shape::kPe", "intermediate"),
    "sent-a-tile-late": ("(n + 1) * Shape::kPe", "n * Shape::kPe", "intermediate", "wide"),
    "sent-at-the-end": ("(n + 1) * Shape::kPe / kBlock;", "0;", "qkv"),
    "lanes-beyond-the-channels-sent": (
        "inside && sent * kBlock + base + i < Shape::kChannels",
        "inside",
        "intermediate",
    ),
    "lanes-beyond-the-block-sent": ("base + i < kBlock;", "true;", "qkv"),
    "beats-of-a-row-alike": ("[row][base + i]", "[row][i]", "qkv", "wide"),
    "rows-of-one-beat": (
        "base < kBlock; base += kBytes",
        "base < 1; base += kBytes",
        "qkv",
        "wide",
    ),
    "last-on-every-row-of-a-block": (" && row == rows - 1", "", "intermediate"),
    "last-on-every-beat-of-a-row": (" && base + kBytes >= kBlock;", ";", "qkv", "wide"),
    "last-a-block-early": ("sent == Shape::kBlocks - 1", "sent == Shape::kBlocks - 2", "qkv"),
}
GELU: Final = {
    "gelu-index-off-by-one": (
        "UInt<16>(magnitude >> shift)",
        "UInt<16>((magnitude >> shift) + 1)",
        "intermediate",
    ),
    "gelu-keeps-the-last-entry": (
        "index < kEntries ? table[index] : Int<16>(0)",
        "table[index < kEntries ? index : kEntries - 1]",
        "intermediate",
    ),
    "gelu-adds-the-table": ("rectified - shortfall", "rectified + shortfall", "intermediate"),
    "gelu-of-positives-only": (
        "value < 0 ? UInt<16>(-value)",
        "value < 0 ? UInt<16>(0)",
        "intermediate",
    ),
    "gelu-is-the-identity": ("value < 0 ? Int<16>(0) : value", "value", "intermediate"),
}
INTERMEDIATE: Final = {
    "records-of-the-other-run": (
        "Requantize<16>(total, projection[pe]",
        "Requantize<16>(total, activation[pe]",
        "intermediate",
    ),
    "gelu-index-of-32-a-unit": (
        "kGeluEntriesPerUnitBits)",
        "kGeluEntriesPerUnitBits + 1)",
        "intermediate",
    ),
    "activation-by-the-projection-shift": (
        "UInt<6>(scalars[2])",
        "UInt<6>(scalars[1])",
        "intermediate",
    ),
    "preactivation-in-int8": ("value = Requantize<16>(", "value = Requantize<8>(", "intermediate"),
    "activation-before-gelu": ("Int<27>(gelu)", "Int<27>(value)", "intermediate"),
}
