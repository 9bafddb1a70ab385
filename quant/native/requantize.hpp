// y = clamp(floor((x * m + o + 2**(s-1)) / 2**s)) in double precision, and exactly.
//
// AVX2 has neither a 64-bit product nor a 64-bit arithmetic shift, doubles have both. Stored are
// scale = m * 2**-s and offset = (o + 2**(s-1)) * 2**-s. |x| <= 2**27, m < 2**18 and |o| < 2**47
// make every value of the chain a multiple of 2**-s below 2**48 * 2**-s: 48 bits in the 53 of a
// double, exponent far from its ends. So neither the product, nor the sum, nor a fused form of both
// rounds, and floor gives what the arithmetic shift of the integers gives. Clamping comes before
// the conversion, which therefore cannot overflow.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "memory.hpp"
#include "named.hpp"

namespace transfab {

struct Requantize {
  Buffer<double> scale, offset;
  // A variable although the output's type implies it: a constant limit makes g++ compare and blend
  // where it could clamp, at twice the time.
  double limit = 0;

  Requantize() = default;
  // Padded by a panel of zeros: a ragged panel reads and drops them.
  Requantize(Index channels, const std::int32_t* multiplier, const std::int64_t* zero, Index shift,
             Index bits)
      : scale(Buffer<double>::Zeroed(channels + kPanel)),
        offset(Buffer<double>::Zeroed(channels + kPanel)),
        limit(std::ldexp(1, static_cast<int>(bits - 1)) - 1) {
    const std::int64_t half = std::int64_t{1} << (shift - 1);
    for (Index channel = 0; channel < channels; ++channel) {
      scale.data()[channel] = std::ldexp(multiplier[channel], -static_cast<int>(shift));
      offset.data()[channel] =
          std::ldexp(static_cast<double>(zero[channel] + half), -static_cast<int>(shift));
    }
  }
  Requantize(const Named& named, const std::string& prefix, Index channels, Index bits)
      : Requantize(channels, named.Get<std::int32_t>(prefix + ".multiplier"),
                   named.Get<std::int64_t>(prefix + ".offset"), named.Integer(prefix + ".shift"),
                   bits) {}
};

template <typename Out>
inline Out FloorClamp(double value, double limit) {
  const double clamped = std::max(-limit, std::min(limit, std::floor(value)));
  return static_cast<Out>(static_cast<std::int32_t>(clamped));
}

// (count,) int32 or int16 -> (count,) int8 or int16, with constants from `channel` on.
template <typename In, typename Out>
inline void RequantizeRow(Index count, const In* row, const Requantize& constants, Index channel,
                          Out* out) {
  const double* scale = constants.scale.data() + channel;
  const double* offset = constants.offset.data() + channel;
  const double limit = constants.limit;
  for (Index i = 0; i < count; ++i) {
    out[i] = FloorClamp<Out>(static_cast<double>(row[i]) * scale[i] + offset[i], limit);
  }
}

// The same for a (rows, 16) block, whose channels start at `channel`.
template <typename In, typename Out>
inline void RequantizeBlock(Index rows, const In* block, const Requantize& constants, Index channel,
                            Out* out) {
  for (Index row = 0; row < rows; ++row) {
    RequantizeRow(kPanel, block + row * kPanel, constants, channel, out + row * kPanel);
  }
}

}  // namespace transfab
