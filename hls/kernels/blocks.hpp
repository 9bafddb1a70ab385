// What stages 1 and 3 send: tiles of channels -> blocks of channels, all rows of a block together.
//
// int8 lanes -> rows of whole beats of int8. A block is sent once a tile completes it.
#pragma once

#include "../include/stream.hpp"

namespace transfab {

// Shape::kChannels channels in tiles of kPe -> kBlocks blocks of kBlock, the last may be short.
template <class Config, class Shape>
void OrderBlocks(int rows, Stream<Lanes<Int<8>, Shape::kPe>>& tiles,
                 Stream<BeatOf<Config>>& blocks) {
  constexpr int kBytes = Config::kBeatBytes, kBlock = Shape::kBlock;
  // Blocks that a tile may touch; one that the tile before left unfinished is among them.
  constexpr int kRing = CeilDivide(Shape::kPe, kBlock) + 1;
  static Int<8> ring[kRing][Config::kSequence][kBlock];
#pragma HLS ARRAY_PARTITION variable = ring dim = 1 complete
#pragma HLS ARRAY_PARTITION variable = ring dim = 3 complete
  int sent = 0;
TILES:
  for (int n = 0; n < Shape::kTiles; ++n) {
  ROWS:
    for (int row = 0; row < rows; ++row) {
#pragma HLS PIPELINE II = 1
      const Lanes<Int<8>, Shape::kPe> lanes = tiles.read();
      for (int pe = 0; pe < Shape::kPe; ++pe) {
#pragma HLS UNROLL
        const int channel = n * Shape::kPe + pe;
        ring[channel / kBlock % kRing][row][channel % kBlock] = lanes.lane[pe];
      }
    }
    const int whole = n == Shape::kTiles - 1 ? Shape::kBlocks : (n + 1) * Shape::kPe / kBlock;
  BLOCKS:
    for (; sent < whole; ++sent) {
    BLOCK_ROWS:
      for (int row = 0; row < rows; ++row) {
      BLOCK_ROW:
        for (int base = 0; base < kBlock; base += kBytes) {
#pragma HLS PIPELINE II = 1
          BeatOf<Config> beat = EmptyBeat<kBytes>();
          for (int i = 0; i < kBytes; ++i) {
#pragma HLS UNROLL
            // Lanes of the last tile beyond the channels, and those of an older block, stay here.
            const bool inside = base + i < kBlock;
            if (inside && sent * kBlock + base + i < Shape::kChannels) {
              SetElement<8>(beat, i, ring[sent % kRing][row][base + i]);
            }
          }
          beat.last = sent == Shape::kBlocks - 1 && row == rows - 1 && base + kBytes >= kBlock;
          blocks.write(beat);
        }
      }
    }
  }
}

}  // namespace transfab
