// What kernels use of AMD's headers, declared only, so that a check can parse them as synthesis
// does. Widths are not kept: the width-true build is for that.
#pragma once

template <int kBits>
using ap_int = long long;
template <int kBits>
using ap_uint = unsigned long long;

struct VendorBits {
  unsigned long long& range(int high, int low);
  const unsigned long long& range(int high, int low) const;
};

template <int kBits, int kUser, int kId, int kDest>
struct ap_axiu {
  VendorBits data;
  long long keep, strb;
  bool last;
};

namespace hls {
template <typename Word>
class stream {
 public:
  stream();
  explicit stream(const char* name);
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;
  void write(const Word& word);
  Word read();
  bool empty() const;
  bool full() const;
};
}  // namespace hls
