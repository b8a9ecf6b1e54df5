#pragma once

#include <gtest/gtest.h>

#include <string_view>

namespace lockstep {

// That a text is whole lines of at most 80 bytes.
inline void ExpectNarrow(std::string_view text) {
  std::size_t begin = 0;
  for (auto end = text.find('\n'); end != text.npos; end = text.find('\n', begin)) {
    EXPECT_LE(end - begin, 80u) << text.substr(begin, end - begin);
    begin = end + 1;
  }
  EXPECT_EQ(begin, text.size()) << "no line end";
}

}  // namespace lockstep
