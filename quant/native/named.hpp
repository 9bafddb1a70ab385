// Arrays of the caller by name: parameters as `flatten` names them, tensors as the stages do.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "memory.hpp"

namespace transfab {

class Named {
 public:
  Named(Index count, const char* const* names, void* const* pointers) {
    for (Index i = 0; i < count; ++i) pointers_.emplace(names[i], pointers[i]);
  }
  bool Has(const std::string& name) const { return pointers_.count(name) != 0; }

  // Null when the caller passed no such array.
  template <typename T>
  T* Find(const std::string& name) const {
    const auto found = pointers_.find(name);
    return found == pointers_.end() ? nullptr : static_cast<T*>(found->second);
  }
  template <typename T>
  T* Get(const std::string& name) const {
    T* pointer = Find<T>(name);
    if (pointer == nullptr) throw std::invalid_argument(name + " is missing");
    return pointer;
  }
  Index Integer(const std::string& name) const {
    return static_cast<Index>(*Get<std::int64_t>(name));
  }

 private:
  std::unordered_map<std::string, void*> pointers_;
};

}  // namespace transfab
