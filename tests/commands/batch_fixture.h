#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files/file.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {

// A batch job on a small model, in a folder of its own.
class BatchTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_ / name; }
  bool Exists(const std::string& name) const { return std::filesystem::exists(Path(name)); }

  std::vector<std::string> Command(std::vector<std::string> more = {}) const {
    std::vector<std::string> command = {"generate",
                                        "--model",
                                        model_,
                                        "--input",
                                        Path("in.jsonl"),
                                        "--output",
                                        Path("out.jsonl"),
                                        "--max-new-tokens",
                                        "40",
                                        "--ignore-eos",
                                        "--set",
                                        "engine.max_sequences=4",
                                        "--threads",
                                        "1",
                                        "--quiet"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  // Lines of different lengths, some sampled, a few bad.
  void WriteInput(int count) const {
    std::string input;
    for (int i = 0; i < count; ++i)
      input += i % 17 == 5 ? "{\"promt\": 1}\n"
                           : fmt::format(
                                 "{{\"prompt\": \"{}\", \"temperature\": {}, "
                                 "\"max_new_tokens\": {}}}\n",
                                 std::string(static_cast<std::size_t>(1 + i * 7 % 19), 'b'), i % 2,
                                 1 + i * 13 % 40);
    WriteText(Path("in.jsonl"), input);
  }

  // The output, which is removed.
  std::string TakeOutput() const {
    const std::string text = ReadFile(Path("out.jsonl"));
    std::filesystem::remove(Path("out.jsonl"));
    return text;
  }

  // What an uninterrupted run gives. The output is removed.
  std::string Uninterrupted(const std::vector<std::string>& more = {}) const {
    const Outcome run = RunLockstep(Command(more));
    EXPECT_EQ(run.exit_code, 2) << run.errors;
    return TakeOutput();
  }

  // Kills the job so often, at random moments of the time that it takes, each time going on with
  // what the kill before has left; and begins anew whenever it has come to its end. Goes on until a
  // quarter of the kills has fallen into the work: ranks take long to start.
  void ExpectTheSameAfterKills(int kills, const std::vector<std::string>& more = {}) {
    const std::string expected = Uninterrupted();
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(Uninterrupted(more), expected);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    std::minstd_rand random(static_cast<unsigned>(kills));
    int killed = 0, amidst = 0;
    for (int tries = 0; (killed < kills || amidst < kills / 4) && tries < 20 * kills; ++tries) {
      constexpr std::array kVictims{Victim::kStarted, Victim::kDescendant, Victim::kTree,
                                    Victim::kMpirun};
      const double share = static_cast<double>(random() % 1000) / 1000.0;
      const auto wait = static_cast<int>(share * took.count());
      killed += RunAndKill(Command(more), wait, kVictims[static_cast<std::size_t>(tries % 4)]);
      if (Exists("out.jsonl")) {
        EXPECT_EQ(TakeOutput(), expected) << "after " << killed << " kills";
      } else if (Exists("out.jsonl.partial")) {
        amidst += std::filesystem::file_size(Path("out.jsonl.partial")) > 0;
      }
    }
    EXPECT_GE(killed, kills);
    EXPECT_GE(amidst, kills / 4) << "or too few kills fell into the work";
    EXPECT_EQ(Uninterrupted(more), expected);
    EXPECT_FALSE(Exists("out.jsonl.partial"));
    EXPECT_FALSE(Exists("out.jsonl.journal"));
  }

 private:
  TemporaryFolder folder_;
  std::string model_ = CopyModel("gptj_saved_single", folder_.path(), 90);
};

}  // namespace lockstep
