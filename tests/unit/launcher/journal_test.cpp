#include "launcher/commands/journal.h"

#include <random>

#include "core/file.h"
#include "expect_error.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

const JobIdentity kJob = {{"input", "3 lines"}, {"sampling.seed", "1"}};

std::string Record(std::int64_t index) {
  return fmt::format("{{\"id\":{},\"text\":\"\"}}\n", index);
}

class JournalTest : public testing::Test {
 protected:
  std::string output() const { return folder_ / "out.jsonl"; }
  std::string partial() const { return output() + ".partial"; }
  std::string journal() const { return output() + ".journal"; }
  static bool Exists(const std::string& path) { return std::filesystem::exists(path); }

 private:
  TemporaryFolder folder_;
};

TEST_F(JournalTest, WritesInTheOrderOfTheInputAndAppearsWhole) {
  Journal one(output(), kJob, Restart::kGoOn);
  one.Put(2, Record(2));
  one.Put(0, Record(0));
  EXPECT_EQ(ReadFile(partial()), Record(0));
  EXPECT_TRUE(one.Has(2));
  EXPECT_FALSE(one.Has(1));
  one.Put(1, Record(1));
  EXPECT_FALSE(Exists(output()));
  one.Commit();
  EXPECT_EQ(ReadFile(output()), Record(0) + Record(1) + Record(2));
  EXPECT_FALSE(Exists(partial()));
  EXPECT_FALSE(Exists(journal()));
}

TEST_F(JournalTest, GoesOnFromWhateverAKillLeaves) {
  constexpr std::int64_t kRecords = 40;
  std::minstd_rand random(3);
  std::string whole;
  for (std::int64_t i = 0; i < kRecords; ++i) whole += Record(i);
  for (int round = 0; round < 200; ++round) {
    for (bool committed = false; !committed;) {
      {
        Journal one(output(), kJob, Restart::kGoOn);
        std::vector<std::int64_t> missing;
        for (std::int64_t i = 0; i < kRecords; ++i)
          if (!one.Has(i)) missing.push_back(i);
        EXPECT_EQ(one.taken_up() + static_cast<std::int64_t>(missing.size()), kRecords);
        std::shuffle(missing.begin(), missing.end(), random);
        const bool all = random() % 3 == 0;
        if (!all) missing.resize(random() % (missing.size() + 1));
        for (const std::int64_t index : missing) one.Put(index, Record(index));
        if (all) one.Commit();
        committed = all;
      }
      // A kill in the middle of a write leaves a part of it.
      for (const std::string& path : {partial(), journal()})
        if (!committed && Exists(path) && random() % 2 == 0)
          std::filesystem::resize_file(path,
                                       std::filesystem::file_size(path) -
                                           random() % (std::filesystem::file_size(path) + 1) / 4);
    }
    ASSERT_EQ(ReadFile(output()), whole) << round;
    std::filesystem::remove(output());
  }
}

TEST_F(JournalTest, CountsTheErrorsOfEarlierRuns) {
  {
    Journal one(output(), kJob, Restart::kGoOn);
    one.Put(0, "{\"id\":0,\"error\":\"no\"}\n");
    one.Put(2, "{\"id\":2,\"error\":\"no\"}\n");
    one.Put(3, "{\"id\":3,\"text\":\",\\\"error\\\":\"}\n");
  }
  Journal again(output(), kJob, Restart::kGoOn);
  EXPECT_EQ(again.errors(), 2);
  EXPECT_EQ(again.taken_up(), 3);
}

TEST_F(JournalTest, RefusesAnotherJobAndSaysHowToBeginAgain) {
  { Journal(output(), kJob, Restart::kGoOn).Put(0, Record(0)); }
  JobIdentity other = kJob;
  other[1].second = "2";
  EXPECT_EQ(MessageOf([&] { Journal(output(), other, Restart::kGoOn); }),
            journal() +
                ": belongs to a job with another sampling.seed: it was 1 and is 2 now; go on with "
                "what it was, or give --restart to begin again");
  EXPECT_EQ(ReadFile(partial()), Record(0)) << "nothing is lost by the refusal";
  Journal again(output(), other, Restart::kFromTheBeginning);
  EXPECT_EQ(again.taken_up(), 0);
  EXPECT_EQ(ReadFile(partial()), "");
}

TEST_F(JournalTest, RefusesADamagedJournal) {
  { Journal(output(), kJob, Restart::kGoOn).Put(1, Record(1)); }
  WriteText(journal(), ReadFile(journal()) + "nonsense\n");
  EXPECT_THAT(MessageOf([&] { Journal(output(), kJob, Restart::kGoOn); }),
              testing::HasSubstr("is damaged; give --restart"));
  WriteText(journal(), "something else\n");
  EXPECT_THAT(MessageOf([&] { Journal(output(), kJob, Restart::kGoOn); }),
              testing::HasSubstr("is no journal of this job"));
}

TEST_F(JournalTest, LeavesNothingWhenNothingWasDone) {
  { Journal one(output(), kJob, Restart::kGoOn); }
  EXPECT_FALSE(Exists(partial()));
  EXPECT_FALSE(Exists(journal()));
}

TEST_F(JournalTest, SaysThatAFolderCannotBeWritten) {
  EXPECT_THAT(
      MessageOf([&] { Journal("/no/such/out", kJob, Restart::kGoOn); }, ExitCode::kEnvironment),
      testing::HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace lockstep
