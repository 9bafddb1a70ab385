// LayerNorm of one row of int16 sums, with one integer square root and one division a row.
//
// Sum of the row < 2**25 in int32; |deviation| < 2**16, its square in uint32, their sum + epsilon
// < 2**43 in int64. normalized = floor(deviation * reciprocal * 2**-drop + 1/2) is exact in a
// double: the product has 35 bits, and for drop <= 0 it is an integer that floor leaves alone.
// normalized * gain + offset is the affine form of requantize.hpp below 2**48.
#pragma once

#include <cmath>
#include <cstdint>

#include "memory.hpp"
#include "named.hpp"
#include "requantize.hpp"
#include "scratch.hpp"
#include "softmax.hpp"

namespace transfab {

struct LayerNormTensors {
  std::int32_t* mean;
  std::int64_t* squares;
  std::int32_t *root, *reciprocal, *normalized;
  void* output;

  LayerNormTensors(const Named& named, const std::string& prefix, const std::string& output)
      : mean(named.Find<std::int32_t>(prefix + "_mean")),
        squares(named.Find<std::int64_t>(prefix + "_squares")),
        root(named.Find<std::int32_t>(prefix + "_root")),
        reciprocal(named.Find<std::int32_t>(prefix + "_reciprocal")),
        normalized(named.Find<std::int32_t>(prefix + "_normalized")),
        output(named.Find<void>(output)) {}
};

struct LayerNorm {
  Index hidden;
  bool wide;
  std::int64_t mean_multiplier, epsilon;
  Index mean_shift;
  Requantize affine;

  LayerNorm(const Named& named, const std::string& prefix, const Shape& shape)
      : hidden(shape.hidden),
        wide(shape.residual_bits == 16),
        mean_multiplier(named.Integer("mean_multiplier")),
        epsilon(named.Integer(prefix + ".epsilon")),
        mean_shift(named.Integer("mean_shift")),
        affine(hidden, named.Get<std::int32_t>(prefix + ".gain"),
               named.Get<std::int64_t>(prefix + ".offset"), named.Integer(prefix + ".shift"),
               shape.residual_bits) {}

  void Run(const LayerNormTensors& tensors, Index row, const std::int16_t* sums,
           Scratch& scratch) const {
    const auto mean = static_cast<std::int32_t>(Mean(sums));
    std::uint64_t spread = 0;
    for (Index i = 0; i < hidden; ++i) {
      const auto deviation = static_cast<std::uint32_t>(sums[i] - mean);
      spread += deviation * deviation;
    }
    const std::int64_t squares = static_cast<std::int64_t>(spread) + epsilon;
    // Half the even shift to 33 or 34 bits: positive widens small sums, negative narrows large.
    const int half_shift = (34 - BitLength(static_cast<std::uint64_t>(squares))) >> 1;
    const std::int64_t shifted =
        half_shift >= 0 ? squares << (2 * half_shift) : squares >> (-2 * half_shift);
    const auto root = static_cast<std::int32_t>(std::sqrt(static_cast<double>(shifted)));
    const auto reciprocal = static_cast<std::int32_t>(((std::int64_t{1} << 33) - 1) / root);
    const double scale = std::ldexp(reciprocal, half_shift - 8);

    const bool kept = tensors.normalized != nullptr;
    std::int32_t* normalized = kept ? tensors.normalized + row * hidden : scratch.normalized.data();
    for (Index i = 0; i < hidden; ++i) {
      normalized[i] = static_cast<std::int32_t>(std::floor((sums[i] - mean) * scale + 0.5));
    }
    if (wide) {
      auto* out = static_cast<std::int16_t*>(tensors.output) + row * hidden;
      RequantizeRow(hidden, normalized, affine, 0, out);
    } else {
      auto* out = static_cast<std::int8_t*>(tensors.output) + row * hidden;
      RequantizeRow(hidden, normalized, affine, 0, out);
    }
    if (tensors.mean != nullptr) tensors.mean[row] = mean;
    if (tensors.squares != nullptr) tensors.squares[row] = squares;
    if (tensors.root != nullptr) tensors.root[row] = root;
    if (tensors.reciprocal != nullptr) tensors.reciprocal[row] = reciprocal;
  }

 private:
  std::int64_t Mean(const std::int16_t* sums) const {
    std::int32_t total = 0;
    for (Index i = 0; i < hidden; ++i) total += sums[i];
    const std::int64_t half = std::int64_t{1} << (mean_shift - 1);
    return (total * mean_multiplier + half) >> mean_shift;
  }
};

}  // namespace transfab
