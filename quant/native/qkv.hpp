// Stage 1: query, key and value of a block of rows; int8 x int8 -> 27-bit accumulators -> int8.
#pragma once

#include <cstdint>

#include "named.hpp"
#include "projection.hpp"
#include "requantize.hpp"
#include "scratch.hpp"

namespace transfab {

struct Linear {
  Projection projection;
  Requantize requantize;

  Linear(const Named& named, const std::string& prefix, Index channels, Index depth, Index bits)
      : projection(named, prefix, channels, depth),
        requantize(named, prefix + ".requantize", channels, bits) {}
};

// The int8 operand of a projection: the residual stream itself, or requantized from int16.
struct Narrow {
  bool wide = false;
  Requantize requantize;

  Narrow(const Named& named, const std::string& prefix, const Shape& shape)
      : wide(shape.residual_bits == 16) {
    if (wide) requantize = Requantize(named, prefix, shape.hidden, 8);
  }
  // `kept` is the tensor that records the operand, or null.
  const std::int8_t* operator()(Rows rows, Index hidden, const void* stream, std::int8_t* kept,
                                Scratch& scratch) const {
    if (!wide) return static_cast<const std::int8_t*>(stream) + rows.first * hidden;
    std::int8_t* out = kept == nullptr ? scratch.narrow.data() : kept + rows.first * hidden;
    const auto* from = static_cast<const std::int16_t*>(stream) + rows.first * hidden;
    for (Index row = 0; row < rows.count; ++row) {
      RequantizeRow(hidden, from + row * hidden, requantize, 0, out + row * hidden);
    }
    return out;
  }
};

struct QkvTensors {
  const void* hidden;
  std::int8_t* hidden8;
  std::int32_t* accumulator[3];
  std::int8_t* output[3];

  explicit QkvTensors(const Named& named)
      : hidden(named.Find<void>("hidden")),
        hidden8(named.Find<std::int8_t>("hidden8")),
        accumulator{named.Find<std::int32_t>("query_accumulator"),
                    named.Find<std::int32_t>("key_accumulator"),
                    named.Find<std::int32_t>("value_accumulator")},
        output{named.Find<std::int8_t>("query"), named.Find<std::int8_t>("key"),
               named.Find<std::int8_t>("value")} {}
};

struct Qkv {
  Index hidden;
  Narrow narrow;
  Linear linear[3];

  Qkv(const Named& named, const Shape& shape)
      : hidden(shape.hidden),
        narrow(named, "qkv.hidden", shape),
        linear{{named, "qkv.query", hidden, hidden, 8},
               {named, "qkv.key", hidden, hidden, 8},
               {named, "qkv.value", hidden, hidden, 8}} {}

  void Run(const QkvTensors& tensors, Rows rows, Scratch& scratch) const {
    const std::int8_t* operand = narrow(rows, hidden, tensors.hidden, tensors.hidden8, scratch);
    scratch.operand.Pack(rows.count, hidden, operand);
    for (int part = 0; part < 3; ++part) {
      const std::int32_t* block = scratch.block.data();
      const auto epilogue = [&](Index first, Index channels) {
        const Index at = rows.first * hidden + first;
        StoreBlock(rows.count, channels, block, hidden, Offset(tensors.accumulator[part], at));
        std::int8_t out[kRowBlock * kPanel];
        RequantizeBlock(rows.count, block, linear[part].requantize, first, out);
        StoreBlock(rows.count, channels, out, hidden, tensors.output[part] + at);
      };
      Project(linear[part].projection, rows.count, scratch.operand, scratch.block.data(), epilogue);
    }
  }
};

}  // namespace transfab
