// GELU of int16: max(x, 0) less a table of 256 entries of |x| * Phi(-|x|) over |x| < 4.
#pragma once

#include "../include/types.hpp"

namespace transfab {

// shift = fraction bits - 6: 64 entries stand for one unit of |x|.
template <int kEntries>
Int<16> Gelu(Int<16> value, const Int<16> (&table)[kEntries], UInt<6> shift) {
#pragma HLS INLINE
  const UInt<16> magnitude = value < 0 ? UInt<16>(-value) : UInt<16>(value);
  const UInt<16> index = UInt<16>(magnitude >> shift);
  const Int<16> rectified = value < 0 ? Int<16>(0) : value;
  const Int<16> shortfall = index < kEntries ? table[index] : Int<16>(0);
  return Int<16>(rectified - shortfall);
}

}  // namespace transfab
