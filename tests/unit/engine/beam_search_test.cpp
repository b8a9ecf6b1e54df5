#include "engine/decoding/beam_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "core/error.h"

namespace lockstep {
namespace {

using Tokens = BeamSearch::Tokens;

// A language of three tokens, the last of which ends a text: the probabilities of what follows are
// made up for every text.
class Language {
 public:
  static constexpr std::int32_t kWords = 3, kEnd = 2;

  BeamSearch::Continuations After(const Tokens& text) {
    auto [found, is_new] = known_.try_emplace(text);
    if (is_new) {
      double sum = 0.0;
      std::vector<double> weights;
      for (int word = 0; word < kWords; ++word) sum += weights.emplace_back(weight_(engine_));
      for (int word = 0; word < kWords; ++word)
        found->second.emplace_back(
            word, static_cast<float>(std::log(weights[static_cast<std::size_t>(word)] / sum)));
      std::sort(found->second.begin(), found->second.end(),
                [](const auto& a, const auto& b) { return a.second > b.second; });
    }
    return found->second;
  }

  // The likeliest of all texts that end, or have `length` tokens.
  std::pair<float, Tokens> Best(const Tokens& text, float score, std::int64_t length) {
    const bool ended = !text.empty() && text.back() == kEnd;
    if (ended || std::ssize(text) == length) return {score, text};
    std::pair<float, Tokens> best{-INFINITY, {}};
    for (const auto& [word, logprob] : After(text)) {
      Tokens longer = text;
      longer.push_back(word);
      best = std::max(best, Best(longer, score + logprob, length));
    }
    return best;
  }

 private:
  std::mt19937 engine_{11};
  std::uniform_real_distribution<double> weight_{0.01, 1.0};
  std::map<Tokens, BeamSearch::Continuations> known_;
};

void Search(BeamSearch& search, Language& language) {
  while (!search.done()) {
    std::vector<BeamSearch::Continuations> answers;
    for (const auto& beam : search.open()) answers.push_back(language.After(beam.tokens));
    search.Expand(answers);
  }
}

TEST(BeamSearch, WithEnoughBeamsFindsTheLikeliestOfAllTexts) {
  for (int round = 0; round < 50; ++round) {
    Language language;
    for (int skipped = 0; skipped < round; ++skipped) language.After({skipped, -1});
    BeamSearch search(
        {.num_beams = 64, .length_penalty = 0.0, .early_stopping = EarlyStopping::kNever},
        {Language::kEnd}, 4);
    Search(search, language);
    const auto [score, text] = language.Best({}, 0.0f, 4);
    ASSERT_FALSE(search.finished().empty());
    EXPECT_EQ(search.finished().front().tokens, text);
    EXPECT_FLOAT_EQ(search.finished().front().score, score);
  }
}

TEST(BeamSearch, WithOneBeamIsGreedy) {
  Language language;
  BeamSearch search({.num_beams = 1}, {}, 5);
  Search(search, language);
  Tokens greedy;
  for (int i = 0; i < 5; ++i) greedy.push_back(language.After(greedy).front().first);
  EXPECT_EQ(search.finished().front().tokens, greedy);
}

TEST(BeamSearch, StopsAtTheFirstTextsThatEndWhenToldTo) {
  // The end is always the second choice: one text ends in every step.
  BeamSearch search({.num_beams = 2, .early_stopping = EarlyStopping::kTrue}, {9}, 100);
  int steps = 0;
  while (!search.done()) {
    const std::vector<BeamSearch::Continuations> answers(
        search.open().size(), {{1, -0.5f}, {9, -1.0f}, {2, -9.0f}, {3, -9.5f}});
    search.Expand(answers);
    ++steps;
  }
  EXPECT_EQ(steps, 2);
  EXPECT_THAT(search.finished(), testing::SizeIs(2));
}

// Two texts end at once, scores -1 and -1.1. The third, at -1.2 now, could have -0.12 in the end.
BeamSearch AfterTwoShortTexts(EarlyStopping early_stopping) {
  BeamSearch search({.num_beams = 2, .early_stopping = early_stopping}, {8, 9}, 10);
  search.Expand(std::vector<BeamSearch::Continuations>{
      {{9, -1.0f}, {8, -1.1f}, {1, -1.2f}, {2, -5.0f}, {3, -6.0f}, {4, -7.0f}}});
  return search;
}

TEST(BeamSearch, NeverStopsWhileALongerTextCouldBeBetter) {
  EXPECT_TRUE(AfterTwoShortTexts(EarlyStopping::kFalse).done());
  EXPECT_TRUE(AfterTwoShortTexts(EarlyStopping::kTrue).done());
  BeamSearch search = AfterTwoShortTexts(EarlyStopping::kNever);
  int steps = 1;
  for (; !search.done(); ++steps)
    search.Expand(std::vector<BeamSearch::Continuations>(
        search.open().size(),
        {{1, -0.01f}, {2, -5.0f}, {3, -6.0f}, {4, -7.0f}, {5, -8.0f}, {6, -9.0f}}));
  EXPECT_EQ(steps, 10);
  EXPECT_EQ(search.finished().front().tokens, Tokens(10, 1));
  EXPECT_FLOAT_EQ(search.finished().front().score, -1.29f / 10.0f);
}

TEST(BeamSearch, StopsWhenALongerTextCouldOnlyBeAsGood) {
  BeamSearch search({.num_beams = 2}, {8, 9}, 10);
  search.Expand(std::vector<BeamSearch::Continuations>{
      {{9, -1.0f}, {8, -1.5f}, {1, -1.5f}, {2, -5.0f}, {3, -6.0f}, {4, -7.0f}}});
  EXPECT_TRUE(search.done());
}

TEST(BeamSearch, NeverReckonsWithThePresentLengthWhereLongerIsWorse) {
  for (const EarlyStopping stopping : {EarlyStopping::kFalse, EarlyStopping::kNever}) {
    BeamSearch search({.num_beams = 2, .length_penalty = -1.0, .early_stopping = stopping}, {9},
                      10);
    search.Expand(
        std::vector<BeamSearch::Continuations>{{{9, -1.0f}, {1, -1.1f}, {2, -1.2f}, {3, -9.0f}}});
    search.Expand(std::vector<BeamSearch::Continuations>(
        2, {{1, -0.05f}, {9, -0.1f}, {2, -5.0f}, {3, -9.0f}}));
    ASSERT_THAT(search.finished(), testing::SizeIs(2));
    EXPECT_FLOAT_EQ(search.finished().back().score, -2.4f);
    EXPECT_FALSE(search.done()) << "-1.15 at length 2 is -2.3";
  }
}

TEST(BeamSearch, GivesItsScoresTheLengthPenalty) {
  BeamSearch search({.num_beams = 2, .length_penalty = 2.0}, {}, 2);
  const BeamSearch::Continuations answer{{1, -1.0f}, {2, -2.0f}, {3, -4.0f}, {4, -8.0f}};
  while (!search.done())
    search.Expand(std::vector<BeamSearch::Continuations>(search.open().size(), answer));
  EXPECT_FLOAT_EQ(search.finished()[0].score, -2.0f / 4.0f);
  EXPECT_FLOAT_EQ(search.finished()[1].score, -3.0f / 4.0f);
}

TEST(BeamSearch, RefusesNumbersThatMakeNoSense) {
  EXPECT_THROW(Validate(BeamOptions{.num_beams = 0}, "a"), Error);
  EXPECT_THROW(Validate(BeamOptions{.num_beams = kMostBeams + 1}, "a"), Error);
  EXPECT_THROW(Validate(BeamOptions{.length_penalty = NAN}, "a"), Error);
  EXPECT_NO_THROW(Validate(BeamOptions{.num_beams = kMostBeams, .length_penalty = -1.0}, "a"));
}

TEST(BeamSearch, RefusesALengthPenaltyThatScoresCannotBear) {
  const auto check = [](double penalty, std::int64_t tokens, std::int64_t beams = 2) {
    CheckLengthPenalty({.num_beams = beams, .length_penalty = penalty}, tokens, "a");
  };
  for (const double penalty : {-100.0, 100.0, -15.0}) EXPECT_THROW(check(penalty, 128), Error);
  for (const double penalty : {-14.0, 0.0, 14.0}) EXPECT_NO_THROW(check(penalty, 128));
  EXPECT_NO_THROW(check(-100.0, 1));
  EXPECT_NO_THROW(check(-99.0, 2));
  EXPECT_NO_THROW(check(-100.0, 128, 1));
}

}  // namespace
}  // namespace lockstep
