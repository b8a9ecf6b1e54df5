#include "runtime/tracing/request_lives.h"

#include <algorithm>
#include <cstddef>
#include <unordered_map>

namespace lockstep {
namespace {

std::string_view NameOfPart(RequestMoment moment) {
  switch (moment) {
    case RequestMoment::kArrived: return "queued";
    case RequestMoment::kBegun: return "prompt";
    case RequestMoment::kFirstToken: return "decoding";
    case RequestMoment::kEnded: break;
  }
  return "";
}

// The part that a moment begins; none where the request is in it already.
void BeginPart(const RequestTime& moment, RequestLife& life) {
  const std::string_view name = NameOfPart(moment.moment);
  if (!life.parts.empty() && life.parts.back().name == name) return;
  if (!life.parts.empty()) life.parts.back().end = moment.at;
  life.parts.push_back({.name = name, .begin = moment.at, .end = moment.at});
}

// It ends behind `from`.
void CutOff(std::int64_t from, RequestLife& life) {
  std::erase_if(life.parts, [&](const RequestLife::Part& part) { return part.end < from; });
  life.parts.front().begin = std::max(life.parts.front().begin, from);
}

}  // namespace

std::vector<RequestLife> LivesOf(std::span<const RequestTime> moments, std::int64_t from,
                                 std::int64_t until) {
  std::vector<RequestLife> lives;
  std::unordered_map<std::int64_t, std::size_t> open;  // the life of a request
  for (const RequestTime& moment : moments) {
    if (moment.moment == RequestMoment::kEnded) {
      const auto node = open.extract(moment.request);
      if (node.empty()) continue;  // the rest of it was dropped
      RequestLife& life = lives[node.mapped()];
      life.parts.back().end = moment.at;
      life.new_tokens = moment.tokens;
      continue;
    }
    const auto [found, is_new] = open.try_emplace(moment.request, lives.size());
    if (is_new) lives.push_back({.request = moment.request, .parts = {}});
    RequestLife& life = lives[found->second];
    if (moment.moment == RequestMoment::kArrived) life.prompt_tokens = moment.tokens;
    BeginPart(moment, life);
  }
  for (const auto& [request, life] : open) lives[life].parts.back().end = until;
  std::erase_if(lives, [&](const RequestLife& life) { return life.end() < from; });
  for (RequestLife& life : lives) CutOff(from, life);
  return lives;
}

}  // namespace lockstep
