// What the operators share: widths of a record, latencies of lane arithmetic, integer helpers.
package operator_pkg;

  // 16 bytes of a parameter stream: int32 first, int32 multiplier, int64 offset, low bits kept.
  localparam int unsigned FirstBits = 27;
  localparam int unsigned MultiplierBits = 18;
  localparam int unsigned OffsetBits = 48;
  localparam int unsigned RecordBytes = 16;

  // Cycles from input to output while enabled.
  localparam int unsigned RequantizeLatency = 4;
  localparam int unsigned GeluLatency = 3;
  localparam int unsigned RecordLatency = 2;
  localparam int unsigned ContextLatency = 9;
  localparam int unsigned RingLatency = 2;
  localparam int unsigned ArrayLatency = 7;

  // Cycles from a row's sum to its next one: it is written before it is read again.
  localparam int unsigned Turnaround = 3;

  function automatic int unsigned ceil_divide(int unsigned value, int unsigned step);
    return (value + step - 1) / step;
  endfunction

  // Bits of an index of `count` values, at least one.
  function automatic int unsigned index_bits(int unsigned count);
    return count <= 2 ? 1 : $clog2(count);
  endfunction

  // value * factor, below 2**16, in shifts and adds: an address takes no multiplier.
  function automatic int unsigned times(int unsigned value, int unsigned factor);
    int unsigned product;
    product = 0;
    for (int unsigned i = 0; i < 16; i++) if (factor[i]) product += value << i;
    return product;
  endfunction

  function automatic int unsigned larger(int unsigned one, int unsigned other);
    return one < other ? other : one;
  endfunction

  function automatic int unsigned smaller(int unsigned one, int unsigned other);
    return one < other ? one : other;
  endfunction

endpackage : operator_pkg
