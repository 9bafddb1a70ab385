// hls::stream for C simulation: an unbounded queue that refuses to be read while it is empty.
//
// A kernel that reads more than was sent would hang in hardware; here it stops with a message. What
// is left over in a stream when it ends is a defect as well: tests look at `size`.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace hls {

template <typename Word>
class stream {
 public:
  stream() = default;
  explicit stream(std::string name) : name_(std::move(name)) {}
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;

  void write(const Word& word) { words_.push_back(word); }
  Word read() {
    if (empty()) throw std::runtime_error("stream " + name_ + " is read while it is empty");
    const Word word = words_[first_++];
    // Forget what was read once it is most of the memory.
    if (first_ == words_.size()) {
      words_.clear();
      first_ = 0;
    } else if (first_ >= kKept && 2 * first_ >= words_.size()) {
      words_.erase(words_.begin(), words_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
    return word;
  }
  bool empty() const { return first_ == words_.size(); }
  std::size_t size() const { return words_.size() - first_; }
  const std::string& name() const { return name_; }

 private:
  static constexpr std::size_t kKept = 4096;
  std::string name_ = "without a name";
  std::vector<Word> words_;
  std::size_t first_ = 0;
};

}  // namespace hls
