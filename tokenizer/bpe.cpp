#include "tokenizer/bpe.h"

#include <algorithm>
#include <functional>
#include <span>

#include "core/error.h"
#include "core/heartbeat.h"

namespace lockstep {
namespace {

// Up to here a plain search for the lowest rank beats keeping a heap.
constexpr std::size_t kShortWord = 32;

// The tokens of a long word as a linked list over the places where they start. The heap holds
// every possible merge as (rank, place); an entry whose rank is no longer that of the pair at the
// place is stale and is skipped.
class LongWord {
 public:
  LongWord(const PairTable& merges, std::span<std::int32_t> tokens)
      : merges_(merges), tokens_(tokens), links_(tokens.size()), pairs_(tokens.size()) {
    for (std::uint32_t place = 0; place < links_.size(); ++place) {
      Heartbeat();
      links_[place] = {place - 1, place + 1};  // -1 wraps to kNone
      FindPair(place);
    }
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  // Merges all that can be, and returns how many tokens are left, moved to the front.
  std::size_t Merge() {
    while (!heap_.empty()) {
      Heartbeat();
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const std::uint64_t entry = heap_.back();
      heap_.pop_back();
      const auto place = static_cast<std::uint32_t>(entry);
      if (pairs_[place].rank == entry >> 32) MergeAt(place);
    }
    std::size_t count = 0;
    for (std::uint32_t place = 0; place < links_.size(); place = links_[place].next)
      tokens_[count++] = tokens_[place];
    return count;
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  struct Link {
    std::uint32_t previous;
    std::uint32_t next;
  };

  // Looks up the merge of the token at `place` with the next one.
  void FindPair(std::uint32_t place) {
    const std::uint32_t next = links_[place].next;
    pairs_[place] =
        next < tokens_.size() ? merges_.Find(tokens_[place], tokens_[next]) : PairTable::Merge{};
    if (pairs_[place].rank != PairTable::kNoMerge)
      heap_.push_back(static_cast<std::uint64_t>(pairs_[place].rank) << 32 | place);
  }

  void FindPairAndSift(std::uint32_t place) {
    const std::size_t before = heap_.size();
    FindPair(place);
    if (heap_.size() != before) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void MergeAt(std::uint32_t place) {
    const std::uint32_t gone = links_[place].next;
    tokens_[place] = pairs_[place].result;
    links_[place].next = links_[gone].next;
    pairs_[gone] = {};
    if (links_[place].next < links_.size()) links_[links_[place].next].previous = place;
    if (links_[place].previous != kNone) FindPairAndSift(links_[place].previous);
    FindPairAndSift(place);
  }

  const PairTable& merges_;
  std::span<std::int32_t> tokens_;
  std::vector<Link> links_;
  std::vector<PairTable::Merge> pairs_;
  std::vector<std::uint64_t> heap_;
};

}  // namespace

BpeModel::BpeModel(const Parts& parts)
    : byte_tokens_(parts.byte_tokens), merges_(parts.merges.size()) {
  std::uint32_t rank = 0;
  for (const MergeRule& merge : parts.merges)
    merges_.Set(merge.left, merge.right, {rank++, merge.result});

  std::vector<std::int32_t> tokens;
  for (const auto& [bytes, id] : parts.spellings) {
    tokens.clear();
    if (!parts.ignore_merges) MergeWord(bytes, tokens);
    if (parts.ignore_merges || (tokens.size() == 1 && tokens[0] == id))
      whole_words_.emplace(bytes, id);
  }
}

void BpeModel::EncodeWord(std::string_view word, std::vector<std::int32_t>& tokens) const {
  if (const auto found = whole_words_.find(word); found != whole_words_.end())
    tokens.push_back(found->second);
  else
    MergeWord(word, tokens);
}

void BpeModel::MergeWord(std::string_view word, std::vector<std::int32_t>& tokens) const {
  LOCKSTEP_CHECK(word.size() < UINT32_MAX, "a word of {} bytes", word.size());
  const std::size_t begin = tokens.size();
  for (const char c : word) {
    const std::int32_t token = byte_tokens_[static_cast<unsigned char>(c)];
    if (token != kNoToken) tokens.push_back(token);
  }
  if (tokens.size() - begin <= kShortWord)
    MergeShort(tokens, begin);
  else
    MergeLong(tokens, begin);
}

void BpeModel::MergeShort(std::vector<std::int32_t>& tokens, std::size_t begin) const {
  std::int32_t* const word = tokens.data() + begin;
  std::size_t count = tokens.size() - begin;
  std::array<PairTable::Merge, kShortWord> pairs;
  for (std::size_t i = 0; i + 1 < count; ++i) pairs[i] = merges_.Find(word[i], word[i + 1]);
  while (count > 1) {
    const auto last = pairs.begin() + static_cast<std::ptrdiff_t>(count - 1);
    const auto best = std::min_element(
        pairs.begin(), last, [](const auto& a, const auto& b) { return a.rank < b.rank; });
    if (best->rank == PairTable::kNoMerge) break;
    const auto at = static_cast<std::size_t>(best - pairs.begin());
    word[at] = best->result;
    std::copy(word + at + 2, word + count, word + at + 1);
    std::copy(best + 1, last, best);
    --count;
    if (at > 0) pairs[at - 1] = merges_.Find(word[at - 1], word[at]);
    if (at + 1 < count) pairs[at] = merges_.Find(word[at], word[at + 1]);
  }
  tokens.resize(begin + count);
}

void BpeModel::MergeLong(std::vector<std::int32_t>& tokens, std::size_t begin) const {
  LongWord word(merges_, std::span(tokens).subspan(begin));
  tokens.resize(begin + word.Merge());
}

}  // namespace lockstep
