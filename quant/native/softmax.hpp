// Softmax of a row of scores without its division: 14-bit exponentials, their sum, its reciprocal.
//
// The index is floor(distance * m * 2**-s + 1/2) in double precision: distance < 2**23 and
// m < 2**17, so the argument of requantize.hpp holds with offset 2**(s-1).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "memory.hpp"

namespace transfab {

inline constexpr std::int32_t kLastIndex = 4095;
inline constexpr int kPreShiftFrom = 19;

inline int BitLength(std::uint64_t value) { return value == 0 ? 0 : 64 - __builtin_clzll(value); }

struct SoftmaxRow {
  std::int32_t maximum;
  std::int32_t total;
};

// allowed is -1 for a key that may be attended to, else 0; index may be null.
inline SoftmaxRow Exponentials(Index keys, const std::int32_t* scores, const std::int32_t* allowed,
                               double multiplier, const std::int16_t* table, std::int16_t* index,
                               std::int16_t* exponential) {
  constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();
  SoftmaxRow row{kLowest, 0};
  for (Index key = 0; key < keys; ++key) {
    row.maximum = std::max(row.maximum, (scores[key] & allowed[key]) | (kLowest & ~allowed[key]));
  }
  // A masked score may exceed the maximum: its distance is taken as 0 before it is masked.
  for (Index key = 0; key < keys; ++key) {
    const std::int32_t distance = std::max(row.maximum - scores[key], 0);
    const double steps = std::floor(distance * multiplier + 0.5);
    const auto entry = static_cast<std::int32_t>(std::min<double>(steps, kLastIndex));
    exponential[key] =
        static_cast<std::int16_t>((entry & allowed[key]) | (kLastIndex & ~allowed[key]));
  }
  if (index != nullptr) std::copy_n(exponential, keys, index);
  for (Index key = 0; key < keys; ++key) exponential[key] = table[exponential[key]];
  for (Index key = 0; key < keys; ++key) {
    exponential[key] = static_cast<std::int16_t>(exponential[key] & allowed[key]);
    row.total += exponential[key];
  }
  return row;
}

// Divides a context sum by its row's sum of exponentials, see normalize_context.
// |sum| < 2**31 - 8 is rounded in int32; |rounded * reciprocal| < 2**45 is exact in a double.
struct RowReciprocal {
  std::int32_t reciprocal, pre_shift, pre_half;
  double scale;

  explicit RowReciprocal(std::int32_t total) {
    const int bits = BitLength(static_cast<std::uint64_t>(total));
    const std::int64_t numerator = (std::int64_t{1} << (16 + bits)) - 1;
    reciprocal = static_cast<std::int32_t>(numerator / total);
    pre_shift = std::max(bits - kPreShiftFrom, 0);
    pre_half = (1 << pre_shift) >> 1;
    scale = std::ldexp(reciprocal, -std::min(bits, kPreShiftFrom));
  }
  std::int32_t Normalize(std::int32_t sum) const {
    const std::int32_t rounded = (sum + pre_half) >> pre_shift;
    return static_cast<std::int32_t>(std::floor(rounded * scale + 0.5));
  }
};

}  // namespace transfab
