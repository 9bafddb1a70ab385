// Memory to stream, in bursts of 4096 bytes at 64 bytes a beat.
#include "movers.hpp"

void read_memory(const transfab::ConfigWord* memory, transfab::ConfigPort& stream,
                 transfab::Bytes bytes) {
#pragma HLS INTERFACE m_axi port = memory offset = slave bundle = memory max_read_burst_length = 64
#pragma HLS INTERFACE axis port = stream
#pragma HLS INTERFACE s_axilite port = memory
#pragma HLS INTERFACE s_axilite port = bytes
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
  using namespace transfab;
  ReadMemory<Config>(memory, int(bytes) / Config::kBeatBytes, stream);
}
