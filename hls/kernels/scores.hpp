// Scores of attention: int8 query times int8 key, 22 bits, a row of keys for each query.
#pragma once

#include "gemm.hpp"
#include "softmax.hpp"

namespace transfab {

// Row `pe` of a tile out of a row held on chip: weight (pe, s) = row[column + s]; zero where the
// row is not `valid`, and beyond kSize, so that what pads a query meets zeros.
template <int kSize, int kPe, int kSimd, int kColumns>
void PlaceRow(const Held<8> (&row)[kColumns], int column, bool valid, int pe,
              TileOf<kPe, kSimd>& tile) {
#pragma HLS INLINE
  for (int i = 0; i < kSimd; ++i) {
#pragma HLS UNROLL
    tile.weight[pe][i] = valid && column + i < kSize ? row[column + i] : Held<8>(0);
  }
}

// Scores of every head: keys are the held weights, queries the rows.
template <class Config, class Shape>
void Scores(int rows, Stream<BeatOf<Config>>& query_key, Stream<SoftmaxLanes<22>>& scores) {
  constexpr int kPe = Shape::kPe, kSimd = Shape::kSimd;
  constexpr int kBeats = BeatsOf<Config, 8>(Shape::kSize);
  constexpr int kColumns = kBeats * Config::kBeatBytes;
  constexpr int kKeys =
      CeilDivide(CeilDivide(Config::kSequence, kPe) * kPe, kSoftmaxLanes) * kSoftmaxLanes;
  static Held<8> query[Config::kSequence][kColumns], key[Config::kSequence][kColumns];
#pragma HLS ARRAY_PARTITION variable = query dim = 2 complete
#pragma HLS ARRAY_PARTITION variable = key dim = 2 complete
  static Int<27> partial[Config::kSequence][kKeys];
#pragma HLS ARRAY_PARTITION variable = partial dim = 2 cyclic factor = kPe
  static TileOf<kPe, kSimd> tile;
#pragma HLS ARRAY_PARTITION variable = tile complete
HEADS:
  for (int h = 0; h < Config::kHeads; ++h) {
    HoldRows<Config, kColumns>(rows, kBeats, query_key, query);
    HoldRows<Config, kColumns>(rows, kBeats, query_key, key);
  KEY_TILES:
    for (int first = 0; first < rows; first += kPe) {
    DEPTH_TILES:
      for (int k = 0; k < Shape::kDepthTiles; ++k) {
      TILE:
        for (int pe = 0; pe < kPe; ++pe) {
#pragma HLS PIPELINE II = 1
          const bool valid = first + pe < rows;
          PlaceRow<Shape::kSize, kPe, kSimd>(key[valid ? first + pe : 0], k * kSimd, valid, pe,
                                             tile);
        }
      ROWS:
        for (int row = 0; row < rows; ++row) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = partial inter false
          AddRow<kPe, kSimd>(&query[row][k * kSimd], tile, k == 0, &partial[row][first]);
        }
      }
    }
  SEND_ROWS:
    for (int row = 0; row < rows; ++row) {
    SEND_ROW:
      for (int group = 0; group < CeilDivide(rows, kSoftmaxLanes); ++group) {
#pragma HLS PIPELINE II = 1
        SoftmaxLanes<22> out;
        for (int i = 0; i < kSoftmaxLanes; ++i) {
#pragma HLS UNROLL
          out.lane[i] = Int<22>(partial[row][group * kSoftmaxLanes + i]);
        }
        scores.write(out);
      }
    }
  }
}

}  // namespace transfab
