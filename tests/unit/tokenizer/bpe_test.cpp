#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <random>

#include "core/files/file.h"
#include "core/json.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using Ids = std::vector<std::int32_t>;

// Bytes are their own ids; each merge of two spellings gives the next id from 256.
BpeModel::Parts PartsOf(const std::vector<std::pair<std::string, std::string>>& merges) {
  BpeModel::Parts parts;
  parts.ignore_merges = false;
  std::map<std::string, std::int32_t> ids;
  const auto id_of = [&](const std::string& bytes) {
    return bytes.size() == 1 ? static_cast<unsigned char>(bytes[0]) : ids.at(bytes);
  };
  for (int byte = 0; byte < 256; ++byte) {
    parts.byte_tokens[static_cast<std::size_t>(byte)] = byte;
    parts.spellings.emplace_back(std::string(1, static_cast<char>(byte)), byte);
  }
  for (const auto& [left, right] : merges) {
    const auto [entry, is_new] =
        ids.emplace(left + right, 256 + static_cast<std::int32_t>(ids.size()));
    if (is_new) parts.spellings.emplace_back(entry->first, entry->second);
    parts.merges.push_back({id_of(left), id_of(right), entry->second});
  }
  return parts;
}

Ids Encode(const BpeModel& model, std::string_view word) {
  Ids ids;
  model.EncodeWord(word, ids);
  return ids;
}

// The definition, word for word: again and again the merge of lowest rank, the leftmost first.
Ids EncodeByDefinition(const std::vector<MergeRule>& merges, std::string_view word) {
  Ids ids;
  for (const char c : word) ids.push_back(static_cast<unsigned char>(c));
  for (;;) {
    std::size_t best_rank = merges.size(), best = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i)
      for (std::size_t rank = 0; rank < best_rank; ++rank)
        if (merges[rank].left == ids[i] && merges[rank].right == ids[i + 1])
          best_rank = rank, best = i;
    if (best_rank == merges.size()) return ids;
    ids[best] = merges[best_rank].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(BpeModel, MergesTheLowestRankFirst) {
  const BpeModel model(PartsOf({{"b", "c"}, {"a", "b"}, {"a", "bc"}}));
  EXPECT_EQ(Encode(model, "abc"), (Ids{258}));
  EXPECT_EQ(Encode(model, "abd"), (Ids{257, 'd'}));
  EXPECT_EQ(Encode(model, "abcab"), (Ids{258, 257}));
}

TEST(BpeModel, MergesTheLeftmostOfEqualRanks) {
  const BpeModel model(PartsOf({{"a", "a"}}));
  EXPECT_EQ(Encode(model, "aaa"), (Ids{256, 'a'}));
}

TEST(BpeModel, DoesNotTakeATokenThatTheMergesMiss) {
  BpeModel::Parts parts = PartsOf({{"b", "c"}, {"a", "b"}});
  parts.spellings.emplace_back("abc", 300);  // a token, but merging gives a + bc
  EXPECT_EQ(Encode(BpeModel(parts), "abc"), (Ids{'a', 256}));
  parts.ignore_merges = true;
  EXPECT_EQ(Encode(BpeModel(parts), "abc"), (Ids{300}));
  EXPECT_EQ(Encode(BpeModel(parts), "abcd"), (Ids{'a', 256, 'd'}));
}

TEST(BpeModel, LeavesOutBytesWithoutAToken) {
  BpeModel::Parts parts = PartsOf({{"a", "c"}});
  parts.byte_tokens['b'] = BpeModel::kNoToken;
  EXPECT_EQ(Encode(BpeModel(parts), "abc"), (Ids{256}));
}

TEST(BpeModel, FollowsTheDefinitionAtEveryLength) {
  std::mt19937 random(11);
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<std::string> tokens = {"a", "b", "c"};
  for (int i = 0; i < 60; ++i) {
    const std::pair pair{tokens[random() % tokens.size()], tokens[random() % tokens.size()]};
    merges.push_back(pair);
    tokens.push_back(pair.first + pair.second);
  }
  const BpeModel::Parts parts = PartsOf(merges);
  const BpeModel model(parts);
  // A pair may stand twice among the merges; then its later rank counts.
  std::vector<MergeRule> last_of_each = parts.merges;
  for (std::size_t i = 0; i < last_of_each.size(); ++i)
    for (std::size_t j = i + 1; j < last_of_each.size(); ++j)
      if (last_of_each[i].left == last_of_each[j].left &&
          last_of_each[i].right == last_of_each[j].right)
        last_of_each[i] = {-1, -1, -1};
  for (int i = 0; i < 400; ++i) {
    std::string word(1 + random() % 90, 'a');
    for (char& c : word) c = static_cast<char>('a' + random() % 3);
    ASSERT_EQ(Encode(model, word), EncodeByDefinition(last_of_each, word)) << word;
  }
}

// The merges of a tokenizer that was trained, as far as they are of letters alone.
std::vector<std::pair<std::string, std::string>> TrainedMerges() {
  const auto path = SourceFolder() / "models/shakespeare-neox/tokenizer.json";
  const Json tokenizer = ParseJson(ReadFile(path), path.string());
  std::vector<std::pair<std::string, std::string>> merges;
  for (const Json& merge : tokenizer.at("model").at("merges")) {
    const std::string text =
        merge.is_string() ? merge.get<std::string>()
                          : merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>();
    const std::size_t space = text.find(' ');
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    const std::pair pair{text.substr(0, space), text.substr(space + 1)};
    if (std::ranges::all_of(pair.first, is_letter) && std::ranges::all_of(pair.second, is_letter))
      merges.push_back(pair);
  }
  return merges;
}

// Here merges of low rank become possible only after others, which random ones seldom do.
TEST(BpeModel, FollowsTheDefinitionInLongWordsOfTrainedMerges) {
  const auto merges = TrainedMerges();
  ASSERT_GT(merges.size(), 200u);
  const BpeModel::Parts parts = PartsOf(merges);
  const BpeModel model(parts);
  std::mt19937 random(5);
  for (int i = 0; i < 60; ++i) {
    std::string word;
    while (word.size() < 33 + random() % 100) {
      const auto& [left, right] = merges[random() % merges.size()];
      word += random() % 4 == 0 ? right + left : left + right;
    }
    ASSERT_EQ(Encode(model, word), EncodeByDefinition(parts.merges, word)) << word;
  }
}

// Processor time of this process for one word of n letters, the best of three.
double SecondsFor(const BpeModel& model, std::size_t n) {
  const std::string word(n, 'a');
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const std::clock_t start = std::clock();
    EXPECT_LT(Encode(model, word).size(), n);
    best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

TEST(BpeModel, TakesTimeInProportionToOneLongWord) {
  const BpeModel model(PartsOf({{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}}));
  // Four times the letters: 4 times the time, or 16 times if it were quadratic.
  EXPECT_LT(SecondsFor(model, 1 << 18), 10 * SecondsFor(model, 1 << 16) + 0.01);
}

}  // namespace
}  // namespace lockstep
