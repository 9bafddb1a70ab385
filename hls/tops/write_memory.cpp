// Stream to memory, in bursts of 4096 bytes at 64 bytes a beat.
#include "movers.hpp"

void write_memory(transfab::ConfigPort& stream, transfab::ConfigWord* memory,
                  transfab::Bytes bytes) {
#pragma HLS INTERFACE axis port = stream
#pragma HLS INTERFACE m_axi port = memory offset = slave bundle = memory max_write_burst_length = 64
#pragma HLS INTERFACE s_axilite port = memory
#pragma HLS INTERFACE s_axilite port = bytes
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
  using namespace transfab;
  WriteMemory<Config>(stream, int(bytes) / Config::kBeatBytes, memory);
}
