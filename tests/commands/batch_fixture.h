#pragma once

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
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

  // What an uninterrupted run gives. The output is removed.
  std::string Uninterrupted() const {
    const Outcome run = RunLockstep(Command());
    EXPECT_EQ(run.exit_code, 2) << run.errors;
    const std::string text = ReadFile(Path("out.jsonl"));
    std::filesystem::remove(Path("out.jsonl"));
    return text;
  }

  // Kills the job again and again, then lets it end.
  void ExpectTheSameAfterKills(int kills, const std::vector<std::string>& more, int longest_ms) {
    const std::string expected = Uninterrupted();
    std::minstd_rand random(static_cast<unsigned>(kills));
    int killed = 0;
    for (int i = 0; i < kills && !Exists("out.jsonl"); ++i) {
      const auto wait = static_cast<int>(random() % static_cast<unsigned>(longest_ms));
      const Victim victim = std::array{Victim::kStarted, Victim::kDescendant,
                                       Victim::kTree}[static_cast<std::size_t>(i % 3)];
      killed += RunAndKill(Command(more), wait, victim) ? 1 : 0;
    }
    EXPECT_GT(killed, 0);
    if (!Exists("out.jsonl")) {
      const Outcome last = RunLockstep(Command(more));
      EXPECT_EQ(last.exit_code, 2) << last.errors;
    }
    EXPECT_EQ(ReadFile(Path("out.jsonl")), expected);
    EXPECT_FALSE(Exists("out.jsonl.partial"));
    EXPECT_FALSE(Exists("out.jsonl.journal"));
  }

 private:
  TemporaryFolder folder_;
  std::string model_ = CopyModel("gptj_saved_single", folder_.path(), 90);
};

}  // namespace lockstep
