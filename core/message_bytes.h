#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/error.h"

namespace lockstep {

// Messages between ranks, which all are this program: values behind each other as they lie in
// memory, lists and texts with their length before them.
class MessageWriter {
 public:
  template <typename T>
  void Put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    Append(&value, sizeof(value));
  }
  template <typename T>
  void PutList(const std::vector<T>& list) {
    static_assert(std::is_trivially_copyable_v<T>);
    PutCount(list.size());
    Append(list.data(), list.size() * sizeof(T));
  }
  void PutText(std::string_view text) {
    PutCount(text.size());
    Append(text.data(), text.size());
  }
  // Of elements that follow one by one.
  void PutCount(std::size_t count) { Put(static_cast<std::uint64_t>(count)); }

  std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
  void Append(const void* data, std::size_t size) {
    const std::size_t before = bytes_.size();
    bytes_.resize(before + size);
    if (size > 0) std::memcpy(bytes_.data() + before, data, size);
  }

  std::vector<std::byte> bytes_;
};

// Reads what a MessageWriter has written. Throws Error(kInternal) where there are fewer bytes than
// are announced, or more.
class MessageReader {
 public:
  explicit MessageReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T>
  T Get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    Read(&value, sizeof(value));
    return value;
  }
  template <typename T>
  std::vector<T> GetList() {
    std::vector<T> list(GetCount(sizeof(T)));
    Read(list.data(), list.size() * sizeof(T));
    return list;
  }
  std::string GetText() {
    std::string text(GetCount(1), '\0');
    Read(text.data(), text.size());
    return text;
  }
  // Of elements that take at least so many bytes each.
  std::size_t GetCount(std::size_t least_bytes) {
    const auto count = Get<std::uint64_t>();
    LOCKSTEP_CHECK(count <= rest_.size() / least_bytes, "a message of {} elements in {} bytes",
                   count, rest_.size());
    return static_cast<std::size_t>(count);
  }
  // Nothing may be left.
  void End() const {
    LOCKSTEP_CHECK(rest_.empty(), "a message with {} bytes left over", rest_.size());
  }

 private:
  void Read(void* data, std::size_t size) {
    LOCKSTEP_CHECK(size <= rest_.size(), "a message of {} bytes where {} are expected",
                   rest_.size(), size);
    if (size != 0) std::memcpy(data, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }

  std::span<const std::byte> rest_;
};

}  // namespace lockstep
