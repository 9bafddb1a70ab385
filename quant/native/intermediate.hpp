// Stage 3: first feed-forward projection and GELU of a block of rows.
//
// int8 x int8 -> 27-bit accumulators -> int16 pre-activation -> int16 GELU -> int8.
#pragma once

#include <cstdint>

#include "gelu.hpp"
#include "named.hpp"
#include "projection.hpp"
#include "qkv.hpp"
#include "requantize.hpp"
#include "scratch.hpp"

namespace transfab {

struct IntermediateTensors {
  const void* stream;
  std::int8_t* narrowed;
  std::int32_t* accumulator;
  std::int16_t *preactivation, *gelu;
  std::int8_t* output;

  explicit IntermediateTensors(const Named& named)
      : stream(named.Find<void>("attention_output")),
        narrowed(named.Find<std::int8_t>("attention_output8")),
        accumulator(named.Find<std::int32_t>("intermediate_accumulator")),
        preactivation(named.Find<std::int16_t>("intermediate_preactivation")),
        gelu(named.Find<std::int16_t>("intermediate_gelu")),
        output(named.Find<std::int8_t>("intermediate")) {}
};

struct Intermediate {
  Index hidden, feed_forward;
  Narrow narrow;
  Linear linear;
  Gelu gelu;
  Requantize activation;

  Intermediate(const Named& named, const Shape& shape)
      : hidden(shape.hidden),
        feed_forward(shape.feed_forward),
        narrow(named, "intermediate.hidden", shape),
        linear(named, "intermediate.projection", feed_forward, hidden, 16),
        gelu(named),
        activation(named, "intermediate.activation", feed_forward, 8) {}

  void Run(const IntermediateTensors& tensors, Rows rows, Scratch& scratch) const {
    const std::int8_t* operand = narrow(rows, hidden, tensors.stream, tensors.narrowed, scratch);
    scratch.operand.Pack(rows.count, hidden, operand);
    const std::int32_t* block = scratch.block.data();
    const auto epilogue = [&](Index first, Index channels) {
      const Index at = rows.first * feed_forward + first;
      StoreBlock(rows.count, channels, block, feed_forward, Offset(tensors.accumulator, at));
      std::int16_t preactivation[kRowBlock * kPanel], activated[kRowBlock * kPanel];
      std::int8_t out[kRowBlock * kPanel];
      RequantizeBlock(rows.count, block, linear.requantize, first, preactivation);
      gelu.Run(rows.count * kPanel, preactivation, activated);
      RequantizeBlock(rows.count, activated, activation, first, out);
      const auto store = [&](const auto* made, auto* tensor) {
        StoreBlock(rows.count, channels, made, feed_forward, Offset(tensor, at));
      };
      store(preactivation, tensors.preactivation);
      store(activated, tensors.gelu);
      store(out, tensors.output);
    };
    Project(linear.projection, rows.count, scratch.operand, scratch.block.data(), epilogue);
  }
};

}  // namespace transfab
