// The one function that a library of kernels exports.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
// Runs one top on one sequence.
//
// top           qkv, attention, intermediate, output, board_a, board_b or layer
// sequence      S, in [1, Config::kSequence]
// inputs        bytes of the packet of each input port, in the order of the top's ports
// beats         of each of these packets
// output        room for output_beats beats
// error         filled with one line, at most error_size bytes, when the run fails
// ->            whether it ran: every beat read, `output` full and TLAST on its last beat alone
__attribute__((visibility("default"))) bool TransfabRunTop(const char* top, std::int64_t sequence,
                                                           const std::uint8_t* const* inputs,
                                                           const std::int64_t* beats,
                                                           std::uint8_t* output,
                                                           std::int64_t output_beats, char* error,
                                                           std::size_t error_size);
}
