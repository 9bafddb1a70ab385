// Where a byte of a packet belongs (docs/stage_contract.md): the tensor, the index, the element.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "../tops/tops.hpp"

namespace transfab {

// An element of a tensor, or of the zeros that pad a row.
struct Place {
  std::string tensor;
  std::vector<std::int64_t> index;
  std::size_t first, bytes;  // in the packet
};

// Position of a byte in rows of `row_bytes`, each padded to whole beats.
struct RowPlace {
  std::int64_t row, byte;
  bool padding;

  RowPlace(std::int64_t at, std::int64_t row_bytes) {
    constexpr std::int64_t kBeat = Config::kBeatBytes;
    const std::int64_t padded = (row_bytes + kBeat - 1) / kBeat * kBeat;
    row = at / padded;
    byte = at % padded;
    padding = byte >= row_bytes;
  }
};

// The place of byte `at` of the packet of a batch's sequence `number`, `rows` tokens long.
inline Place PlaceOf(const std::string& packet, std::int64_t number, std::int64_t rows,
                     std::size_t at) {
  constexpr std::int64_t kBeat = Config::kBeatBytes;
  const auto signed_at = static_cast<std::int64_t>(at);
  const Place padding = {"padding", {number, signed_at / kBeat, signed_at % kBeat}, at, 1};
  if (packet == "qkv") {
    static const char* const kNames[] = {"query", "key", "value"};
    const RowPlace place(signed_at, Config::kHeadSize);
    const std::int64_t turn = place.row / rows;
    const std::int64_t channel = turn / 3 * Config::kHeadSize + place.byte;
    if (place.padding) return padding;
    return {kNames[turn % 3], {number, place.row % rows, channel}, at, 1};
  }
  if (packet == "intermediate") {
    const std::int64_t beat = signed_at / kBeat;
    const std::int64_t channel = beat / rows * kBeat + signed_at % kBeat;
    if (channel >= Config::kInner) return padding;
    return {packet, {number, beat % rows, channel}, at, 1};
  }
  const std::int64_t mask_bytes = (rows + kBeat - 1) / kBeat * kBeat;
  if (signed_at < mask_bytes) {
    if (signed_at >= rows) return padding;
    return {"mask", {number, signed_at}, at, 1};
  }
  constexpr std::int64_t kBytes = Config::kResidualBits / 8;
  const RowPlace place(signed_at - mask_bytes, Config::kHidden * kBytes);
  if (place.padding) return padding;
  const auto inside = static_cast<std::size_t>(place.byte % kBytes);
  return {packet, {number, place.row, place.byte / kBytes}, at - inside, kBytes};
}

// The little-endian element of a place; masks and padding are unsigned.
inline std::int64_t ElementAt(const Place& place, const std::vector<std::uint8_t>& bytes) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < place.bytes; ++i) {
    bits |= std::uint64_t{bytes[place.first + i]} << (8 * i);
  }
  const bool negative = (bits >> (8 * place.bytes - 1)) != 0;
  if (!negative || place.tensor == "mask" || place.tensor == "padding") {
    return static_cast<std::int64_t>(bits);
  }
  return static_cast<std::int64_t>(bits) - (std::int64_t{1} << (8 * place.bytes));
}

// `tensor[0, 1, 2]`.
inline std::string TextOf(const Place& place) {
  std::ostringstream text;
  text << place.tensor << "[";
  for (std::size_t i = 0; i < place.index.size(); ++i) {
    text << (i == 0 ? "" : ", ") << place.index[i];
  }
  text << "]";
  return text.str();
}

}  // namespace transfab
