#include "batch/files/journal.h"

#include <gmock/gmock.h>

#include <sys/stat.h>

#include <algorithm>
#include <random>
#include <utility>

#include "core/files/file.h"
#include "system_calls.h"
#include "tests/support/message_of.h"
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

  // Up to a quarter of the records: the journal's first line is there before any of them is.
  void CutOff(const std::string& path, std::size_t random) const {
    const std::string text = ReadFile(path);
    const std::size_t least = path == journal() ? text.find('\n') + 1 : 0;
    const std::size_t cut = random % (text.size() - least + 1) / 4;
    std::filesystem::resize_file(path, text.size() - cut);
  }

  // What is said of the files when they are these; and that nothing is lost by it.
  void ExpectRefused(const std::string& journal_text, const std::string& partial_text,
                     const std::string& message) const {
    WriteText(journal(), journal_text);
    WriteText(partial(), partial_text);
    const std::string said = MessageOf([&] { Journal(output(), kJob, Restart::kGoOn, 4); });
    EXPECT_THAT(said, testing::HasSubstr(message));
    EXPECT_THAT(said, testing::HasSubstr("give --restart to begin again"));
    EXPECT_EQ(ReadFile(journal()), journal_text);
    EXPECT_EQ(ReadFile(partial()), partial_text);
  }

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
  EXPECT_EQ(FindFinished(output(), kJob)->lines, 3);
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
        EXPECT_EQ(one.resumed() + static_cast<std::int64_t>(missing.size()), kRecords);
        std::shuffle(missing.begin(), missing.end(), random);
        const bool all = random() % 3 == 0;
        if (!all) missing.resize(random() % (missing.size() + 1));
        for (const std::int64_t index : missing) one.Put(index, Record(index));
        if (all) one.Commit();
        committed = all;
      }
      // A kill in the middle of a write leaves a part of it.
      for (const std::string& path : {partial(), journal()})
        if (!committed && Exists(path) && random() % 2 == 0) CutOff(path, random());
    }
    ASSERT_EQ(ReadFile(output()), whole) << round;
    std::filesystem::remove(output());
  }
}

TEST_F(JournalTest, IsEmptiedWhenItIsLargeButNeverOfWhatItAloneHolds) {
  const auto large = [](std::int64_t index) {
    return fmt::format("{{\"id\":{},\"text\":\"{}\"}}\n", index, std::string(300'000, 'x'));
  };
  std::int64_t header = 0;
  {
    Journal one(output(), kJob, Restart::kGoOn);
    header = static_cast<std::int64_t>(std::filesystem::file_size(journal()));
    for (const std::int64_t early : {1, 2, 3, 4, 6}) one.Put(early, large(early));
    one.Put(0, large(0));
    EXPECT_GT(std::filesystem::file_size(journal()), 1'500'000u) << "record 6 is nowhere else";
  }
  Journal again(output(), kJob, Restart::kGoOn);
  EXPECT_EQ(again.resumed(), 6);
  EXPECT_TRUE(again.Has(6));
  EXPECT_FALSE(again.Has(5));
  again.Put(5, large(5));
  EXPECT_EQ(static_cast<std::int64_t>(std::filesystem::file_size(journal())), header);
  again.Put(8, Record(8));
  again.Put(7, Record(7));
  again.Commit();
  std::string whole;
  for (std::int64_t i = 0; i < 7; ++i) whole += large(i);
  EXPECT_TRUE(ReadFile(output()) == whole + Record(7) + Record(8));
}

// Else a power failure could leave the name of the output with nothing behind it.
TEST_F(JournalTest, ReachesTheDiskBeforeItAppears) {
  Journal one(output(), kJob, Restart::kGoOn);
  one.Put(0, Record(0));
  one.Put(1, Record(1));
  int whole_syncs = 0;
  const SystemCalls watched(
      [&](int file) {
        struct stat status {};
        const bool whole = ::fstat(file, &status) == 0 &&
                           status.st_size == static_cast<off_t>((Record(0) + Record(1)).size());
        whole_syncs += whole && !Exists(output());
      },
      {});
  one.Commit();
  EXPECT_GE(whole_syncs, 1);
  EXPECT_TRUE(Exists(output()));
}

// The one that had it commits and removes it just when the next one has opened it.
TEST_F(JournalTest, IsNeverAFileWithoutAName) {
  bool removed = false;
  const SystemCalls watched({}, [&](int) {
    if (!std::exchange(removed, true)) std::filesystem::remove(journal());
  });
  {
    Journal one(output(), kJob, Restart::kGoOn);
    EXPECT_TRUE(removed);
    ASSERT_TRUE(Exists(journal()));
    one.Put(1, Record(1));
  }
  EXPECT_TRUE(Journal(output(), kJob, Restart::kGoOn).Has(1));
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
  EXPECT_EQ(again.resumed(), 3);
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
  EXPECT_EQ(again.resumed(), 0);
  EXPECT_EQ(ReadFile(partial()), "");
}

TEST_F(JournalTest, RefusesADamagedJournal) {
  { Journal(output(), kJob, Restart::kGoOn).Put(1, Record(1)); }
  const std::string whole = ReadFile(journal());
  const std::string first = whole.substr(0, whole.find('\n') + 1);
  ExpectRefused("", Record(0), "does not say what job");
  ExpectRefused("something else\n", Record(0), "is no journal of this job");
  ExpectRefused("{}\n", "", "is no journal of this job");
  ExpectRefused("{\"lockstep_journal\":1}\n", Record(0), "its format is 1, and this one's is 2");
  ExpectRefused("{\"lockstep_journal\":2,\"input\":7}\n", "", "another input: it was 7");
  ExpectRefused("{\"lockstep_journal\":2,\"input\":null}\n", "", "another input: it was null");
  ExpectRefused(whole + "nonsense\n", "", "is damaged: a line is no record");
  ExpectRefused(whole + "2x\t" + Record(2), "", "is damaged: a line is no record");
  ExpectRefused(whole + "2\tnonsense\n", "", "is damaged: record 2 is no record");
  ExpectRefused(whole + "4\t" + Record(4), "", "is damaged: it has a record 4");
  ExpectRefused(first, "nonsense\n", partial() + ": is damaged: record 0 is no record");
  ExpectRefused(first, Record(0) + std::string(9, '\0') + "\n", "record 1 is no record");
  ExpectRefused(first, Record(0) + Record(1) + Record(2) + Record(3) + Record(4),
                "it has a record 4, and the input has 4 lines");
}

TEST_F(JournalTest, IsBegunByItsJobAlone) {
  EXPECT_FALSE(Journal::IsBegun(output(), kJob));
  { Journal(output(), kJob, Restart::kGoOn).Put(1, Record(1)); }
  EXPECT_TRUE(Journal::IsBegun(output(), kJob));
  EXPECT_FALSE(Journal::IsBegun(output(), {{"input", "4 lines"}}));
}

TEST_F(JournalTest, WritesToTheFileThatALinkLeadsTo) {
  std::filesystem::create_symlink("real.jsonl", output());
  Journal one(output(), kJob, Restart::kGoOn);
  one.Put(0, Record(0));
  one.Commit();
  EXPECT_TRUE(std::filesystem::is_symlink(output()));
  EXPECT_EQ(ReadFile(std::filesystem::path(output()).parent_path() / "real.jsonl"), Record(0));
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
