#include "bench/load/replay.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"

namespace lockstep {
namespace {

constexpr std::int64_t kMostTokens = 1 << 20;

// A number of tokens that one of two members has; absent where neither does.
std::optional<std::int64_t> TokensIn(const Json& line, const char* one, const char* other,
                                     const std::string& where) {
  auto found = FindInt(line, one, where);
  if (!found) found = FindInt(line, other, where);
  if (found && (*found < 1 || *found > kMostTokens))
    throw BadInput("{}: {} tokens; expected from 1 to {}", where, *found, kMostTokens);
  return found;
}

double ArrivalOf(const Json& line, const std::string& where) {
  const auto seconds = FindNumber(line, "arrival_s", where);
  const auto milliseconds = FindNumber(line, "timestamp", where);
  if (!seconds && !milliseconds)
    throw BadInput(
        "{}: no arrival time; expected \"arrival_s\" in seconds or \"timestamp\" in milliseconds",
        where);
  return seconds ? *seconds : 1e-3 * *milliseconds;
}

std::vector<std::int32_t> IdsOf(const Json& ids, const std::string& where) {
  constexpr double kMostId = 2147483647.0;
  if (!ids.is_array() || ids.empty())
    throw BadInput("{}: \"tokens\" is {}; expected a list of token ids", where, ShownJson(ids));
  std::vector<std::int32_t> tokens;
  for (const Json& id : ids) {
    if (!id.is_number_integer() || id.get<double>() < 0 || id.get<double>() > kMostId)
      throw BadInput("{}: \"tokens\" has {}; expected token ids", where, ShownJson(id));
    tokens.push_back(id.get<std::int32_t>());
  }
  return tokens;
}

struct Line {
  double arrival = 0.0;
  LoadRequest request;
};

Line LineOf(std::string_view text, const std::string& where, std::int64_t index,
            const Workload& made) {
  const Json json = ParseJson(text, where);
  if (!json.is_object()) throw BadInput("{}: {}; expected an object", where, ShownJson(json));
  const auto output = TokensIn(json, "output_tokens", "output_length", where);
  if (!output) throw BadInput("{}: no \"output_tokens\"; expected a number of tokens", where);
  Line line{.arrival = ArrivalOf(json, where), .request = {.output_tokens = *output}};
  const auto prompt = FindString(json, "prompt", where);
  const auto length = TokensIn(json, "prompt_tokens", "input_length", where);
  if (prompt) {
    line.request.text = *prompt;
    line.request.prompt_tokens = length.value_or(0);
  } else if (json.contains("tokens")) {
    line.request.tokens = IdsOf(json["tokens"], where);
    line.request.prompt_tokens = static_cast<std::int64_t>(line.request.tokens.size());
  } else if (length) {
    line.request = made.MakeOf(index, {.prompt_tokens = *length, .output_tokens = *output});
  } else {
    throw BadInput("{}: no prompt; expected \"prompt\", \"tokens\" or \"prompt_tokens\"", where);
  }
  return line;
}

}  // namespace

ReplayedLoad ParseReplay(std::string_view lines, std::string_view where, const Workload& made) {
  std::vector<Line> all;
  for (std::int64_t number = 1; !lines.empty(); ++number) {
    const auto end = std::min(lines.find('\n'), lines.size());
    const std::string_view text = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (text.find_first_not_of(" \t\r") == text.npos) continue;
    all.push_back(LineOf(text, fmt::format("{}:{}", where, number), number, made));
  }
  if (all.empty()) throw BadInput("{}: no request in it; expected JSON lines", where);
  std::stable_sort(all.begin(), all.end(),
                   [](const Line& a, const Line& b) { return a.arrival < b.arrival; });
  ReplayedLoad load;
  for (Line& line : all) {
    load.arrivals.push_back(line.arrival - all.front().arrival);
    load.requests.push_back(std::move(line.request));
  }
  return load;
}

ReplayedLoad ReadReplay(const std::string& file, const Workload& made) {
  return ParseReplay(ReadStream(file), file, made);
}

}  // namespace lockstep
