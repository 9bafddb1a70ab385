"""Broken attention, residual sums, LayerNorm and joined stages.

Name -> old text, new text, the top that shows it and, unless it is the ragged one, the build.
"""

from __future__ import annotations

from typing import Final

SCORES: Final = {
    "scores-of-keys-with-keys": ("&query[row][k * kSimd]", "&key[row][k * kSimd]", "attention"),
    "scores-start-once": ("k == 0, &partial", "h == 0 && k == 0, &partial", "attention"),
    "scores-of-the-first-keys": ("valid ? first + pe : 0", "pe < rows ? pe : 0", "attention"),
    "scores-of-one-depth-tile": ("k * kSimd, valid, pe", "0, valid, pe", "attention"),
    "padding-of-query-and-key-counted": (
        "valid && column + i < kSize ? row",
        "valid ? row",
        "attention",
    ),
    "scores-a-group-late": ("[group * kSoftmaxLanes + i]", "[i]", "attention"),
}
SOFTMAX: Final = {
    "maximum-over-masked-keys": (
        "key < keys && mask[key] != 0 && row",
        "key < keys && row",
        "attention",
    ),
    "mask-ignored": (
        "key < keys && mask[key] != 0) {\n        const",
        "key < keys) {\n        const",
        "attention",
    ),
    "keys-beyond-the-row-counted": (
        "if (key < keys && mask[key] != 0) {\n        const",
        "if (mask[key] != 0) {\n        const",
        "attention",
    ),
    "mask-of-the-first-beat": (
        "beat * Config::kBeatBytes + i;\n      if (key < rows)",
        "i;\n      if (key < rows)",
        "attention",
    ),
    "last-entry-never-used": ("index > last ? last :", "index > last ? last - 1 :", "attention"),
    "index-wraps": ("index > last ? last : int(index)", "int(index & last)", "attention"),
    "index-truncates": (
        "RoundShift<48>(Multiply<48>(distance, multiplier), shift)",
        "Int<48>(Multiply<48>(distance, multiplier) >> shift)",
        "attention",
    ),
    "argmax": ("value = table[", "value = distance != 0 ? Int<16>(0) : table[", "attention"),
    "multiplier-of-the-first-head": ("multiplier[h]", "multiplier[0]", "attention"),
    "sum-of-one-group": (
        "total = Int<24>(total + value)",
        "total = Int<24>(key < 8 ? total + value : total)",
        "attention",
    ),
    "pre-shift-missing": ("UInt<6>(wide ? bits - kPreShiftFrom : 0)", "UInt<6>(0)", "attention"),
    "pre-shift-one-early": ("kPreShiftFrom = 19;", "kPreShiftFrom = 18;", "attention"),
    "post-shift-not-limited": (
        "UInt<6>(wide ? kPreShiftFrom : bits)",
        "UInt<6>(bits)",
        "attention",
    ),
    "reciprocal-of-a-bit-less": ("Reciprocal(16 + bits", "Reciprocal(15 + bits", "attention"),
    "reciprocal-of-the-whole-power": ("<< bits) - 1)", "<< bits))", "attention"),
    "mean-truncates": (
        "RoundShift<48>(Multiply<48>(narrow, scale.reciprocal), scale.post_shift)",
        "Multiply<48>(narrow, scale.reciprocal) >> scale.post_shift",
        "attention",
    ),
}
CONTEXT: Final = {
    "context-starts-once": (
        "key == 0 ? Int<31>(0)",
        "h == 0 && key == 0 ? Int<31>(0)",
        "attention",
    ),
    "keys-beyond-the-sequence-stale": (
        "inside ? value[valid ? key + i : 0][first + pe] : Held<8>(0)",
        "value[valid ? key + i : 0][first + pe]",
        "attention",
        "wide",
    ),
    "scale-of-the-first-row": ("scale[row]);", "scale[0]);", "attention"),
    "context-by-the-scores-shift": ("Shape::kContextShift", "Shape::kScoresShift", "attention"),
    "context-of-the-first-channels": ("[first + pe] : Held", "[pe] : Held", "attention"),
    "exponentials-of-a-group-reversed": (
        "Held<16>(lanes.lane[i])",
        "Held<16>(lanes.lane[kSoftmaxLanes - 1 - i])",
        "attention",
    ),
}
ATTENTION: Final = {
    "value-taken-for-query": (
        "Forward<Config>(heads, query_key, 2 * rows * kBeats);\n"
        "    Forward<Config>(heads, value, rows * kBeats);",
        "Forward<Config>(heads, value, rows * kBeats);\n"
        "    Forward<Config>(heads, query_key, 2 * rows * kBeats);",
        "attention",
    ),
    "skip-without-its-mask": (
        "skip.write(word);",
        "skip.write(EmptyBeat<Config::kBeatBytes>());",
        "attention",
    ),
}
RESIDUAL: Final = {
    "skip-added-twice": (
        "Int<48>(product + skipped)",
        "Int<48>(product + skipped + skipped)",
        "output",
    ),
    "skip-not-added": ("Int<48>(product + skipped)", "product", "output"),
    "skip-shift-dropped": (
        "ShiftLeft<48>(Multiply<48>(skip, skip_multiplier), skip_shift)",
        "Multiply<48>(skip, skip_multiplier)",
        "output",
    ),
    "skip-by-the-gain": ("norm[channel].first", "norm[channel].multiplier", "output"),
    "residual-in-int8": ("return Clamp<16>(", "return Clamp<8>(", "output"),
    "residual-bias-dropped": ("Int<27>(sum + record.first)", "sum", "output"),
    "residual-rounded-twice": (
        "Int<48>(both + record.offset)",
        "Int<48>(both + record.offset + (Int<48>(1) << shift >> 1))",
        "output",
    ),
    "mask-not-forwarded": (
        "Forward<Config>(skip, mask, BeatsOf<Config, 8>(rows));",
        "for (int i = 0; i < BeatsOf<Config, 8>(rows); ++i) {\n"
        "    skip.read();\n    mask.write(EmptyBeat<Config::kBeatBytes>());\n  }",
        "output",
    ),
    "sums-of-one-tile": ("row_sums[n * Shape::kPe + pe] =", "row_sums[pe] =", "output"),
    "skip-of-one-beat": ("row_skip[beat * kPerBeat + i] =", "row_skip[i] =", "output"),
    "residual-by-the-norm-shift": (
        "scalars[Shape::kResidualScalars]);",
        "scalars[Shape::kResidualScalars + 2]);",
        "output",
    ),
}
LAYERNORM: Final = {
    "mean-truncates": (
        "RoundShift<48>(Multiply<48>(sum, multiplier), UInt<6>(Config::kMeanShift))",
        "Multiply<48>(sum, multiplier) >> Config::kMeanShift",
        "output",
    ),
    "mean-not-subtracted": ("Int<18>(value - norm.mean)", "Int<18>(value)", "output"),
    "squares-around-zero": (
        "Int<18>(row[group].lane[i] - mean)",
        "Int<18>(row[group].lane[i])",
        "output",
    ),
    "epsilon-dropped": ("squares = epsilon;", "squares = 0;", "output"),
    "epsilon-without-its-high-byte": ("UInt<44>(high << 32) + low", "low", "output"),
    "epsilon-sign-extended": (
        "UInt<44>(UInt<32>(scalars[kFirst + 1]))",
        "UInt<44>(scalars[kFirst + 1])",
        "output",
    ),
    "variance-in-int16": ("UInt<36>(square))", "UInt<36>(UInt<16>(square)))", "output"),
    "padding-in-the-squares": (
        "if (group * kNormLanes + i < kHidden) squares",
        "squares",
        "output",
    ),
    "sum-of-the-last-group": (
        "sum = Int<27>(sum + row",
        "sum = Int<27>((i ? sum : Int<27>(0)) + row",
        "output",
    ),
    "half-shift-rounds-up": ("(34 - bits) >> 1", "(35 - bits) >> 1", "output"),
    "large-squares-not-narrowed": ("UInt<44>(squares >> (-2 * half))", "squares", "output"),
    "drop-sign": ("Int<6>(8 - half)", "Int<6>(8 + half)", "output"),
    "drop-one-less": ("Int<6>(8 - half)", "Int<6>(7 - half)", "output"),
    "small-rows-not-widened": (
        "ShiftLeft<48>(product, UInt<6>(-norm.drop))",
        "product",
        "output",
    ),
    "normalized-truncates": (
        "RoundShift<48>(product, UInt<6>(norm.drop))",
        "product >> int(norm.drop)",
        "output",
    ),
    "root-a-digit-short": ("digit >= 0", "digit > 0", "output"),
    "root-rounds-up": ("if (rest >= trial)", "if (rest + 1 >= trial)", "output"),
    "layernorm-reciprocal-of-a-bit-less": ("Reciprocal(33,", "Reciprocal(32,", "output"),
    "last-on-every-row": ("beat.last = r == rows - 1 && group", "beat.last = group", "output"),
    "padding-of-the-mask-passed-on": (
        "if (beat * Config::kBeatBytes + i >= rows) word.byte[i] = 0;",
        "",
        "output",
    ),
    "last-on-the-mask": ("word.last = false;", "word.last = true;", "output"),
    "norm-of-the-first-channels": ("records[channel], shift", "records[i], shift", "output"),
}
LAYER: Final = {
    "fork-without-the-skip": (
        "skip.write(word);",
        "skip.write(EmptyBeat<Config::kBeatBytes>());",
        "board_b",
    ),
    "fork-without-the-mask": (
        "operand.write(word);",
        "operand.write(word);\n"
        "    if (beat == 0) skip.write(EmptyBeat<Config::kBeatBytes>());\n    else",
        "board_a",
    ),
    "stages-swapped": (
        "blocks, skip, output_parameters",
        "blocks, operand, output_parameters",
        "layer",
    ),
}
OUTPUT: Final = {
    "last-block-of-the-output-whole": (
        "Config::kInner - (kBlocks - 1) * kBlock",
        "kBlock",
        "output",
        "wide",
    ),
    "output-scalars-one-late": ("kResidualScalars = 0", "kResidualScalars = 1", "output"),
}
