#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// What `lockstep plan` is asked beside who holds what.
struct PlanOptions {
  static constexpr std::int64_t kUsualTexts = 1;
  static constexpr std::int64_t kUsualTokens = 128;  // or half the context, where that is less

  std::string machine;  // a shipped one's name, "here", or a file; empty: nobody has said
  // The texts in flight, of all copies of the model together.
  std::optional<std::int64_t> batch;
  std::optional<std::int64_t> prompt_tokens;  // of each
  std::optional<std::int64_t> new_tokens;     // of each
  std::string goal;                           // "50 tokens/s for 64 users"; empty: none
  std::optional<std::int64_t> simulate;       // so many requests
  double rate = 1.0;                          // of them, a second
  std::vector<std::string> results;           // files of `bench --json` to calibrate by
  std::string calibrated;                     // where the calibrated machine goes; empty: nowhere
  std::string html_file;                      // where it is drawn; empty: nowhere

  // Whether times are asked for, which depend on a machine.
  bool asks_for_times() const {
    return !machine.empty() || batch || prompt_tokens || new_tokens || !goal.empty() || simulate ||
           !results.empty();
  }
};

}  // namespace lockstep
