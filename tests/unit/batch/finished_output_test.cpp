#include "batch/files/finished_output.h"

#include <gmock/gmock.h>

#include "core/files/file.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

const JobIdentity kJob = {{"input", "3 lines"}, {"model.dtype", "fp32"}};

class FinishedOutputTest : public testing::Test {
 protected:
  std::string output() const { return folder_ / "out.jsonl"; }
  std::string done() const { return output() + ".done"; }

  // As a job does it.
  void Finish(const std::string& text, std::int64_t errors = 0) const {
    FinishedOutput finished{.lines = 3, .errors = errors};
    finished.Add(text);
    RecordFinished(output(), kJob, finished);
    WriteText(output(), text);
  }

  std::string MessageFor(const JobIdentity& job) const {
    return MessageOf([&] { FindFinished(output(), job); });
  }

  TemporaryFolder folder_;
};

TEST_F(FinishedOutputTest, IsKnownToTheJobThatMadeIt) {
  EXPECT_FALSE(FindFinished(output(), kJob));
  Finish("a\n", 2);
  const auto found = FindFinished(output(), kJob);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->lines, 3);
  EXPECT_EQ(found->errors, 2);
}

TEST_F(FinishedOutputTest, IsKeptFromAnotherJobThatIsToldWhatDiffers) {
  Finish("a\n");
  EXPECT_EQ(MessageFor({{"input", "3 lines"}, {"model.dtype", "bf16"}}),
            output() +
                ": was made by a job with another model.dtype: it was fp32 and is bf16 now; give "
                "--restart to write over it, or --output another name");
  EXPECT_THAT(MessageFor({{"input", "3 lines"}}),
              HasSubstr("another model.dtype: it was fp32 and is absent now"));
  EXPECT_THAT(MessageFor({{"input", "3 lines"}, {"model.dtype", "fp32"}, {"tokenizer", "x"}}),
              HasSubstr("another tokenizer: it was absent and is x now"));
  EXPECT_FALSE(FindFinished(output(), {{"input", "4 lines"}}, OtherJob::kIgnore));
}

TEST_F(FinishedOutputTest, IsNotTakenForWholeWhenSomeoneHasChangedIt) {
  Finish("a\nb\n");
  for (const char* text : {"a\n", "a\nc\n", ""}) {
    WriteText(output(), text);
    EXPECT_THAT(MessageFor(kJob), HasSubstr("is not what this job wrote")) << text;
  }
}

TEST_F(FinishedOutputTest, ARecordThatIsDamagedIsRefused) {
  for (const char* text :
       {"", "nonsense", "[]", "{}", "{\"lockstep_output\":1}", "{\"lockstep_output\":\"1\"}",
        "{\"lockstep_output\":1,\"job\":7,\"lines\":\"x\",\"errors\":null}"}) {
    Finish("a\n");
    WriteText(done(), text);
    EXPECT_THAT(MessageFor(kJob), HasSubstr(done() + ": is damaged")) << text;
    EXPECT_THAT(MessageFor(kJob), HasSubstr("--restart")) << text;
  }
}

TEST_F(FinishedOutputTest, OneThatNothingIsKnownOfIsNobodys) {
  WriteText(output(), "someone's");
  EXPECT_FALSE(FindFinished(output(), kJob));
  Finish("a\n");
  std::filesystem::remove(output());
  EXPECT_FALSE(FindFinished(output(), kJob)) << "what is gone is to be made again";
}

}  // namespace
}  // namespace lockstep
