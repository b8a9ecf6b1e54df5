// Work that others wait for beats from inside, so that it is never taken for death.
#include <gtest/gtest.h>

#include "api/records.h"
#include "batch/files/finished_output.h"
#include "batch/files/journal.h"
#include "core/files/file.h"
#include "core/heartbeat.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/test_data.h"
#include "text/stop_matcher.h"

namespace lockstep {
namespace {

// How often the work could have shown that it lives.
template <typename Work>
int BeatsOf(const Work& work) {
  int beats = 0;
  const HeartbeatScope scope(std::chrono::milliseconds(0), [&] { ++beats; });
  work();
  return beats;
}

constexpr int kMany = 1000;

TEST(LongWork, TokenizingBeats) {
  const Tokenizer tokenizer = Tokenizer::FromJson(ByteTokenizerJson(94), "tokenizer.json");
  std::string words;
  for (int i = 0; i < kMany; ++i) words += "a b";
  EXPECT_GE(BeatsOf([&] { tokenizer.Encode(words); }), kMany);
  EXPECT_GE(BeatsOf([&] { tokenizer.Encode(std::string(2 * kMany, 'a')); }), kMany)
      << "in one long word too";
}

TEST(LongWork, ReadingALineOfManyStopTextsBeats) {
  std::string line = "{\"prompt\":\"a\",\"stop\":[\"x\"";
  for (int i = 0; i < kMany; ++i) line += ",\"x\"";
  line += "]}";
  EXPECT_GE(BeatsOf([&] { ParseGenerateLine(line, "in:1", 0, {}); }), kMany);
  EXPECT_GE(BeatsOf([&] { FormatError(line, 0, "why"); }), kMany);
}

TEST(LongWork, LookingForManyStopTextsBeats) {
  StopMatcher matcher(std::vector<std::string>(kMany, "stop"));
  EXPECT_GE(BeatsOf([&] { matcher.Push("a"); }), kMany);
}

TEST(LongWork, WritingManyLogprobsBeats) {
  TextResult result;
  result.samples.emplace_back();
  result.samples[0].logprobs.resize(kMany);
  LineRequest request{.where = "in:1", .id = 0, .request = {}};
  request.request.logprobs = 1;
  EXPECT_GE(BeatsOf([&] { FormatResult(request, result); }), kMany);
}

TEST(LongWork, CountingAndReadingInputAndOutputBeats) {
  const TemporaryFolder folder;
  const std::string path = folder / "in";
  WriteText(path, std::string(10 * kInputBlockBytes, 'x'));
  EXPECT_GE(BeatsOf([&] { SummarizeInput(path); }), 10);
  const JobIdentity job{{"input", "1"}};
  FinishedOutput finished;
  finished.Add(ReadFile(path));
  RecordFinished(path, job, finished);
  EXPECT_GE(BeatsOf([&] { FindFinished(path, job); }), 10);
}

TEST(LongWork, TakingUpAJournalBeats) {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  const JobIdentity job{{"input", "1"}};
  {
    Journal journal(path, job, Restart::kGoOn);
    for (int i = 0; i < kMany; ++i) journal.Put(i, fmt::format("{{\"id\":{}}}\n", i));
    for (int i = 0; i < kMany; ++i)
      journal.Put(i + kMany + 1, fmt::format("{{\"id\":{}}}\n", i + kMany + 1));
  }
  EXPECT_GE(BeatsOf([&] { Journal(path, job, Restart::kGoOn); }), 2 * kMany);
}

}  // namespace
}  // namespace lockstep
