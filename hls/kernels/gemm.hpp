// The matrix engines: PE x SIMD int8 weights are held while the rows of a sequence pass them.
//
// The next tile is read from the parameter stream while the current one is in use, so a tile costs
// max(rows, its beats) steps of PE * SIMD products. Sums are 27 bits without their bias.
#pragma once

#include "../include/stream.hpp"

namespace transfab {

// Rows pass at least this many steps a tile: a sum is written before the next tile reads it.
inline constexpr int kTurnaround = 16;

template <int kPe, int kSimd>
struct TileOf {
  Held<8> weight[kPe][kSimd];
};

template <int kPe, int kSimd, int kBytes>
constexpr int TileBeats() {
  return CeilDivide(kPe * kSimd, kBytes);
}

constexpr int Larger(int one, int other) { return one < other ? other : one; }
constexpr int Steps(int rows, int beats) { return Larger(rows, Larger(beats, kTurnaround)); }

// Places beat `index` of a tile: byte p * SIMD + s is weight (p, s); SIMD divides a beat.
template <int kPe, int kSimd, int kBytes>
void PlaceBeat(const Beat<kBytes>& beat, int index, TileOf<kPe, kSimd>& tile) {
#pragma HLS INLINE
  constexpr int kGroups = kBytes / kSimd;
  for (int group = 0; group < kGroups; ++group) {
#pragma HLS UNROLL
    const int pe = index * kGroups + group;
    if (pe < kPe) {
      for (int i = 0; i < kSimd; ++i) {
#pragma HLS UNROLL
        tile.weight[pe][i] = Held<8>(Int<8>(beat.byte[group * kSimd + i]));
      }
    }
  }
}

// Sum of kSimd products of kLeft and 8 bits, kLeft + 8 + log2(kSimd) bits.
template <int kLeft, int kSimd, typename Left>
Int<kLeft + 8 + IndexBits(kSimd)> Dot(const Left* left, const Held<8> (&right)[kSimd]) {
#pragma HLS INLINE
  Int<kLeft + 8 + IndexBits(kSimd)> sum = 0;
DOT:
  for (int i = 0; i < kSimd; ++i) {
#pragma HLS UNROLL
    sum = Int<kLeft + 8 + IndexBits(kSimd)>(sum + left[i] * right[i]);
  }
  return sum;
}

// sums = start + operand * tile, for one row; `first` starts from zero instead.
template <int kPe, int kSimd>
void AddRow(const Held<8>* operand, const TileOf<kPe, kSimd>& tile, bool first, Int<27>* sums) {
#pragma HLS INLINE
ADD_ROW:
  for (int pe = 0; pe < kPe; ++pe) {
#pragma HLS UNROLL
    const Int<27> start = first ? Int<27>(0) : sums[pe];
    sums[pe] = Int<27>(start + Dot<8, kSimd>(operand, tile.weight[pe]));
  }
}

// Reads rows of kBeats int8 beats into `held`, columns from 0.
template <class Config, int kColumns>
void HoldRows(int rows, int beats, Stream<BeatOf<Config>>& stream, Held<8> (*held)[kColumns]) {
#pragma HLS INLINE
HOLD_ROWS:
  for (int row = 0; row < rows; ++row) {
  HOLD_ROW:
    for (int beat = 0; beat < beats; ++beat) {
#pragma HLS PIPELINE II = 1
      const BeatOf<Config> word = stream.read();
      for (int i = 0; i < Config::kBeatBytes; ++i) {
#pragma HLS UNROLL
        held[row][beat * Config::kBeatBytes + i] = Held<8>(Int<8>(word.byte[i]));
      }
    }
  }
}

// By channel: holds all rows of the operand (kDepth int8), finishes one output tile after the
// other and sends its sums row by row. Tile order (n, 0), (n, 1) ... for kTiles values of n.
template <class Config, class Shape>
void GemmByChannel(int rows, Stream<BeatOf<Config>>& operand, Stream<BeatOf<Config>>& weights,
                   Stream<Lanes<Int<27>, Shape::kPe>>& sums) {
  constexpr int kPe = Shape::kPe, kSimd = Shape::kSimd;
  constexpr int kBeats = BeatsOf<Config, 8>(Shape::kDepth);
  constexpr int kColumns = kBeats * Config::kBeatBytes;
  constexpr int kDepthTiles = CeilDivide(Shape::kDepth, kSimd);
  constexpr int kTileBeats = TileBeats<kPe, kSimd, Config::kBeatBytes>();
  static Held<8> held[Config::kSequence][kColumns];
#pragma HLS ARRAY_PARTITION variable = held dim = 2 cyclic factor = Config::kBeatBytes
  static Int<27> partial[Config::kSequence][kPe];
#pragma HLS ARRAY_PARTITION variable = partial dim = 2 complete
  static TileOf<kPe, kSimd> tile[2];
#pragma HLS ARRAY_PARTITION variable = tile complete
  HoldRows<Config, kColumns>(rows, kBeats, operand, held);

FIRST_TILE:
  for (int beat = 0; beat < kTileBeats; ++beat) {
#pragma HLS PIPELINE II = 1
    PlaceBeat(weights.read(), beat, tile[0]);
  }
  const int steps = Steps(rows, kTileBeats);
CHANNEL_TILES:
  for (int n = 0; n < Shape::kTiles; ++n) {
  DEPTH_TILES:
    for (int k = 0; k < kDepthTiles; ++k) {
      const int ping = (n * kDepthTiles + k) & 1;
      const bool more = n != Shape::kTiles - 1 || k != kDepthTiles - 1;
    ROWS:
      for (int step = 0; step < steps; ++step) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = partial inter false
        if (step < rows) {
          AddRow<kPe, kSimd>(&held[step][k * kSimd], tile[ping], k == 0, partial[step]);
          if (k == kDepthTiles - 1) {
            Lanes<Int<27>, kPe> row;
            for (int pe = 0; pe < kPe; ++pe) {
#pragma HLS UNROLL
              row.lane[pe] = partial[step][pe];
            }
            sums.write(row);
          }
        }
        if (more && step < kTileBeats) PlaceBeat(weights.read(), step, tile[1 - ping]);
      }
    }
  }
}

// By depth: holds the sums of all rows and kChannels, takes the operand in kBlocks blocks of kBlock
// int8 columns (the last of kLastBlock) and adds one depth tile after the other. Tile order (0, k),
// (1, k) ... for each k; at the end the sums go row by row, tile by tile.
template <class Config, class Shape>
void GemmByDepth(int rows, Stream<BeatOf<Config>>& operand, Stream<BeatOf<Config>>& weights,
                 Stream<Lanes<Int<27>, Shape::kPe>>& sums) {
  constexpr int kPe = Shape::kPe, kSimd = Shape::kSimd;
  constexpr int kBeats = BeatsOf<Config, 8>(Shape::kBlock);
  constexpr int kColumns = kBeats * Config::kBeatBytes;
  constexpr int kTiles = CeilDivide(Shape::kChannels, kPe);
  constexpr int kTileBeats = TileBeats<kPe, kSimd, Config::kBeatBytes>();
  static Held<8> held[Config::kSequence][kColumns];
#pragma HLS ARRAY_PARTITION variable = held dim = 2 cyclic factor = Config::kBeatBytes
  static Int<27> partial[kTiles][Config::kSequence][kPe];
#pragma HLS ARRAY_PARTITION variable = partial dim = 3 complete
  static TileOf<kPe, kSimd> tile[2];
#pragma HLS ARRAY_PARTITION variable = tile complete

FIRST_TILE:
  for (int beat = 0; beat < kTileBeats; ++beat) {
#pragma HLS PIPELINE II = 1
    PlaceBeat(weights.read(), beat, tile[0]);
  }
  const int steps = Steps(rows, kTileBeats);
  int ping = 0;
BLOCKS:
  for (int block = 0; block < Shape::kBlocks; ++block) {
    HoldRows<Config, kColumns>(rows, kBeats, operand, held);
    const bool last_block = block == Shape::kBlocks - 1;
    const int depth_tiles = CeilDivide(last_block ? Shape::kLastBlock : Shape::kBlock, kSimd);
  DEPTH_TILES:
    for (int k = 0; k < depth_tiles; ++k) {
    CHANNEL_TILES:
      for (int n = 0; n < kTiles; ++n) {
        const bool more = !last_block || k != depth_tiles - 1 || n != kTiles - 1;
      ROWS:
        for (int step = 0; step < steps; ++step) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = partial inter false
          if (step < rows) {
            AddRow<kPe, kSimd>(&held[step][k * kSimd], tile[ping], block == 0 && k == 0,
                               partial[n][step]);
          }
          if (more && step < kTileBeats) PlaceBeat(weights.read(), step, tile[1 - ping]);
        }
        ping = 1 - ping;
      }
    }
  }
SEND_ROWS:
  for (int row = 0; row < rows; ++row) {
  SEND_TILES:
    for (int n = 0; n < kTiles; ++n) {
#pragma HLS PIPELINE II = 1
      Lanes<Int<27>, kPe> out;
      for (int pe = 0; pe < kPe; ++pe) {
#pragma HLS UNROLL
        out.lane[pe] = partial[n][row][pe];
      }
      sums.write(out);
    }
  }
}

}  // namespace transfab
