// A projection added to its skip input and normalised: the end of stages 2 and 4.
//
// sum = clamp(floor((acc * m + (skip * ms << skip_shift) + o + 2**(s-1)) * 2**-s)) to int16. The
// parameters check that the magnitudes of all terms add up to less than 2**47, so every partial sum
// is a multiple of 2**-s that a double holds exactly, as in requantize.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "layernorm.hpp"
#include "named.hpp"
#include "projection.hpp"
#include "requantize.hpp"
#include "scratch.hpp"

namespace transfab {

struct ResidualTensors {
  const void* skip;
  std::int32_t* accumulator;
  std::int16_t* sum;
  LayerNormTensors layernorm;

  ResidualTensors(const Named& named, const std::string& prefix, const std::string& skip,
                  const std::string& output)
      : skip(named.Find<void>(skip)),
        accumulator(named.Find<std::int32_t>(prefix + "_accumulator")),
        sum(named.Find<std::int16_t>(prefix + "_sum")),
        layernorm(named, prefix, output) {}
};

struct Residual {
  Index hidden;
  bool wide;
  Projection projection;
  Requantize requantize;
  Buffer<double> skip_scale;
  LayerNorm layernorm;

  Residual(const Named& named, const std::string& stage, const Shape& shape, Index depth)
      : hidden(shape.hidden),
        wide(shape.residual_bits == 16),
        projection(named, stage + ".projection", hidden, depth),
        requantize(named, stage + ".projection", hidden, 16),
        skip_scale(Buffer<double>::Zeroed(hidden + kPanel)),
        layernorm(named, stage + ".layernorm", shape) {
    const auto* multiplier = named.Get<std::int32_t>(stage + ".projection.skip_multiplier");
    const Index shift = named.Integer(stage + ".projection.skip_shift") -
                        named.Integer(stage + ".projection.shift");
    for (Index i = 0; i < hidden; ++i) {
      skip_scale.data()[i] = std::ldexp(multiplier[i], static_cast<int>(shift));
    }
  }

  // operand is (rows, depth) int8, the first of `rows` first.
  void Run(const ResidualTensors& tensors, Rows rows, const std::int8_t* operand,
           Scratch& scratch) const {
    scratch.operand.Pack(rows.count, projection.depth, operand);
    const bool kept = tensors.sum != nullptr;
    std::int16_t* sums = kept ? tensors.sum + rows.first * hidden : scratch.sums.data();
    const std::int32_t* block = scratch.block.data();
    const auto epilogue = [&](Index first, Index channels) {
      const Index at = rows.first * hidden + first;
      StoreBlock(rows.count, channels, block, hidden, Offset(tensors.accumulator, at));
      if (wide) {
        const auto* skip = static_cast<const std::int16_t*>(tensors.skip) + at;
        AddSkip(rows.count, first, channels, block, skip, sums + first);
      } else {
        const auto* skip = static_cast<const std::int8_t*>(tensors.skip) + at;
        AddSkip(rows.count, first, channels, block, skip, sums + first);
      }
    };
    Project(projection, rows.count, scratch.operand, scratch.block.data(), epilogue);
    for (Index row = 0; row < rows.count; ++row) {
      layernorm.Run(tensors.layernorm, rows.first + row, sums + row * hidden, scratch);
    }
  }

 private:
  template <typename Stream>
  void AddSkip(Index rows, Index first, Index channels, const std::int32_t* block,
               const Stream* skip, std::int16_t* sums) const {
    const double* scale = requantize.scale.data() + first;
    const double* offset = requantize.offset.data() + first;
    const double* widen = skip_scale.data() + first;
    for (Index row = 0; row < rows; ++row) {
      Stream from[kPanel];
      std::int16_t out[kPanel];
      StoreRow(channels, skip + row * hidden, from);
      std::fill(from + channels, from + kPanel, Stream{0});
      for (Index i = 0; i < kPanel; ++i) {
        const double product = block[row * kPanel + i] * scale[i] + offset[i];
        out[i] = FloorClamp<std::int16_t>(from[i] * widen[i] + product, requantize.limit);
      }
      StoreRow(channels, out, sums + row * hidden);
    }
  }
};

}  // namespace transfab
