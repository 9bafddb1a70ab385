// Every pair of int8 weights and every int8 operand through gemm_array of 2 rows x 1 weight.
//
// Prints how many sums were compared; exits with 1 at the first that differs.
#include <cstdint>
#include <cstdio>

#include "Vtop.h"

namespace {

constexpr int kLatency = 7;

struct Expected {
  bool valid;
  std::int16_t first, second;
};

}  // namespace

int main() {
  VerilatedContext context;
  Vtop top(&context);
  Expected pipe[kLatency] = {};
  long compared = 0;
  auto cycle = [&](const Expected& entering) {
    top.clk_i = 0;
    top.eval();
    top.clk_i = 1;
    top.eval();
    for (int i = kLatency - 1; i > 0; --i) pipe[i] = pipe[i - 1];
    pipe[0] = entering;
    const Expected& due = pipe[kLatency - 1];
    if (top.rst_ni && (top.sum_valid_o != 0) != due.valid) return false;
    if (!due.valid) return true;
    compared += 2;
    return static_cast<std::int16_t>(top.sum_o[0]) == due.first &&
           static_cast<std::int16_t>(top.sum_o[1]) == due.second;
  };
  top.rst_ni = 0;
  for (int i = 0; i < kLatency; ++i) cycle({});
  top.rst_ni = 1;
  for (int first = -128; first < 128; ++first) {
    for (int second = -128; second < 128; ++second) {
      for (int row = 0; row < 2; ++row) {
        top.write_row_i = 1;
        top.write_index_i = row;
        top.write_data_i[0] = static_cast<std::uint8_t>(row ? second : first);
        if (!cycle({})) return 1;
      }
      top.write_row_i = 0;
      top.row_valid_i = 1;
      for (int x = -128; x < 128; ++x) {
        top.row_swap_i = x == -128;
        top.row_i = static_cast<std::uint8_t>(x);
        const Expected entering = {true, static_cast<std::int16_t>(first * x),
                                   static_cast<std::int16_t>(second * x)};
        if (!cycle(entering)) {
          std::printf("weights %d and %d, operand %d or one before\n", first, second, x);
          return 1;
        }
      }
      top.row_valid_i = 0;
    }
  }
  for (int i = 0; i < kLatency; ++i) {
    if (!cycle({})) return 1;
  }
  std::printf("%ld\n", compared);
  return 0;
}
