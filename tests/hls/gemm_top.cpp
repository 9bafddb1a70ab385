// Both matrix engines behind C functions, for operands of any kind (see test_gemm.py).
//
// Sizes come from the command line, -DSIZE_ROWS=.. and so on: rows, N, K, a tile, and the columns
// of a block of the engine by depth.
#include <cstdint>

#include "kernels/gemm.hpp"

namespace {

using namespace transfab;

struct Config {
  static constexpr int kBeatBytes = 64, kSequence = SIZE_ROWS;
};

struct Shape {
  static constexpr int kPe = SIZE_PE, kSimd = SIZE_SIMD, kDepth = SIZE_DEPTH,
                       kChannels = SIZE_CHANNELS;
  static constexpr int kBlock = SIZE_BLOCK, kBlocks = CeilDivide(SIZE_DEPTH, SIZE_BLOCK);
  static constexpr int kLastBlock = SIZE_DEPTH - (kBlocks - 1) * SIZE_BLOCK;
  static constexpr int kTiles = CeilDivide(SIZE_CHANNELS, SIZE_PE);
};

using Beats = Stream<BeatOf<Config>>;
using Sums = Stream<Lanes<Int<27>, SIZE_PE>>;

// `count` bytes from `bytes`, which is `inside` long, as whole beats; zero beyond.
template <typename At>
void Send(int count, Beats& stream, At at) {
  for (int base = 0; base < count; base += Config::kBeatBytes) {
    BeatOf<Config> beat = EmptyBeat<Config::kBeatBytes>();
    for (int i = 0; i < Config::kBeatBytes && base + i < count; ++i) {
      SetElement<8>(beat, i, Int<8>(at(base + i)));
    }
    stream.write(beat);
  }
}

// Tile (n, k) whose first column is `column`; columns end at `end`.
void SendTile(const std::int8_t* weight, int n, int column, int end, Beats& stream) {
  Send(SIZE_PE * SIZE_SIMD, stream, [=](int byte) {
    const int channel = n * SIZE_PE + byte / SIZE_SIMD, depth = column + byte % SIZE_SIMD;
    return channel < SIZE_CHANNELS && depth < end ? weight[channel * SIZE_DEPTH + depth] : 0;
  });
}

void Take(Sums& sums, int row, int n, std::int32_t* result) {
  const Lanes<Int<27>, SIZE_PE> lanes = sums.read();
  for (int pe = 0; pe < SIZE_PE && n * SIZE_PE + pe < SIZE_CHANNELS; ++pe) {
    result[row * SIZE_CHANNELS + n * SIZE_PE + pe] = static_cast<std::int32_t>(lanes.lane[pe]);
  }
}

}  // namespace

// result (rows, SIZE_CHANNELS) = operand (rows, SIZE_DEPTH) times weight (SIZE_CHANNELS,
// SIZE_DEPTH) transposed.
extern "C" bool MultiplyByChannel(int rows, const std::int8_t* operand, const std::int8_t* weight,
                                  std::int32_t* result) {
  Beats operands("operand"), weights("weights");
  Sums sums("sums");
  for (int row = 0; row < rows; ++row) {
    Send(SIZE_DEPTH, operands, [=](int i) { return operand[row * SIZE_DEPTH + i]; });
  }
  for (int n = 0; n < Shape::kTiles; ++n) {
    for (int k = 0; k < SIZE_DEPTH; k += SIZE_SIMD) SendTile(weight, n, k, SIZE_DEPTH, weights);
  }
  GemmByChannel<Config, Shape>(rows, operands, weights, sums);
  for (int n = 0; n < Shape::kTiles; ++n) {
    for (int row = 0; row < rows; ++row) Take(sums, row, n, result);
  }
  return operands.empty() && weights.empty() && sums.empty();
}

extern "C" bool MultiplyByDepth(int rows, const std::int8_t* operand, const std::int8_t* weight,
                                std::int32_t* result) {
  Beats operands("operand"), weights("weights");
  Sums sums("sums");
  for (int block = 0; block < SIZE_DEPTH; block += SIZE_BLOCK) {
    const int columns = SIZE_DEPTH - block < SIZE_BLOCK ? SIZE_DEPTH - block : SIZE_BLOCK;
    for (int row = 0; row < rows; ++row) {
      Send(SIZE_BLOCK, operands,
           [=](int i) { return i < columns ? operand[row * SIZE_DEPTH + block + i] : 0; });
    }
    for (int k = 0; k < columns; k += SIZE_SIMD) {
      for (int n = 0; n < Shape::kTiles; ++n) {
        SendTile(weight, n, block + k, block + columns, weights);
      }
    }
  }
  GemmByDepth<Config, Shape>(rows, operands, weights, sums);
  for (int row = 0; row < rows; ++row) {
    for (int n = 0; n < Shape::kTiles; ++n) Take(sums, row, n, result);
  }
  return operands.empty() && weights.empty() && sums.empty();
}
