// Completion and manual pages as shells and man read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "program.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;

bool IsInstalled(const std::string& program) {
  return RunScript("command -v " + program + " >/dev/null", {}).exit_code == 0;
}

// The words that bash would offer for the last of `words`, one a line.
std::string BashOffers(const std::string& words) {
  const Outcome run =
      RunScript("exec bash -c 'source <(\"$0\" completion bash) && COMP_WORDS=(" + words +
                    ") && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && _lockstep && "
                    "printf \"%s\\n\" \"${COMPREPLY[@]}\"' \"$1\"",
                {});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.errors, "");
  return run.output;
}

TEST(BashCompletion, OffersCommandsFlagsAndWords) {
  if (!IsInstalled("bash")) GTEST_SKIP() << "bash is not installed";
  EXPECT_EQ(BashOffers("lockstep gen"), "generate\n");
  EXPECT_EQ(BashOffers("lockstep generate --top"), "--top-k\n--top-p\n");
  EXPECT_EQ(BashOffers("lockstep generate --dtype b"), "bf16\n");
  EXPECT_EQ(BashOffers("lockstep generate --dtype = int"), "int8\nint4\n");
  EXPECT_EQ(BashOffers("lockstep generate --dtype ="), "auto\nfp32\nbf16\nfp16\nfp8\nint8\nint4\n");
  EXPECT_EQ(BashOffers("lockstep generate --set parallel.t"), "parallel.tp=\nparallel.threads=\n");
  EXPECT_EQ(BashOffers("lockstep bench serve --goo"), "--goodput\n");
  EXPECT_EQ(BashOffers("lockstep bench pre"), "prefill\n");
  EXPECT_EQ(BashOffers("lockstep completion z"), "zsh\n");
  EXPECT_EQ(BashOffers("lockstep generate --tp \"\""), "\n") << "nobody can guess a number";
}

TEST(BashCompletion, OffersWhatComesWithTheProgramBeforeFiles) {
  if (!IsInstalled("bash")) GTEST_SKIP() << "bash is not installed";
  const char* models = "shakespeare-gptj\nshakespeare-neox\n";
  EXPECT_EQ(BashOffers("lockstep generate --model \"\""), models);
  EXPECT_EQ(BashOffers("lockstep generate shake"), models);
  EXPECT_EQ(BashOffers("lockstep serve --config pythia-12"), "pythia-12b\n");
  EXPECT_EQ(BashOffers("lockstep completion \"\""), "bash\nzsh\nfish\n");
  EXPECT_EQ(BashOffers("lockstep tokenize shake"), models);
  // Where no weights are read a configuration is a model.
  for (const char* command : {"plan", "plan --model", "bench decode", "bench scaling"})
    EXPECT_EQ(BashOffers(std::string("lockstep ") + command + " pythia-12"), "pythia-12b\n");
  EXPECT_EQ(BashOffers("lockstep generate pythia-12"), "\n");
}

TEST(BashCompletion, OffersNoFilesWhereNoneMayStand) {
  if (!IsInstalled("bash")) GTEST_SKIP() << "bash is not installed";
  const TemporaryFolder folder;
  WriteText(folder / "plan.txt", "");
  EXPECT_EQ(BashOffers("lockstep manual pla"), "plan\n");
  const std::string file = (folder / "plan").string();
  for (const char* command : {"manual", "completion", "bench", "env"})
    EXPECT_EQ(BashOffers(fmt::format("lockstep {} {}", command, file)), "\n") << command;
  EXPECT_EQ(BashOffers("lockstep trace " + file), file + ".txt\n");
}

TEST(BashCompletion, OffersFiles) {
  if (!IsInstalled("bash")) GTEST_SKIP() << "bash is not installed";
  const TemporaryFolder folder;
  WriteText(folder / "a model", "");
  const std::string begin = (folder / "a").string();
  EXPECT_EQ(BashOffers("lockstep generate " + begin), begin + " model\n");
  EXPECT_EQ(BashOffers("lockstep generate --model " + begin), begin + " model\n");
}

TEST(ZshCompletion, CanBeRead) {
  if (!IsInstalled("zsh")) GTEST_SKIP() << "zsh is not installed";
  const Outcome run = RunScript("\"$1\" completion zsh | zsh -n /dev/stdin", {});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.errors, "");
  // With compinit it binds itself to the program.
  const Outcome bound = RunScript(
      "exec zsh -f -c 'autoload -Uz compinit && compinit -D -u && source <(\"$1\" completion zsh) "
      "&& "
      "print -r -- $_comps[lockstep]' zsh \"$1\"",
      {});
  EXPECT_EQ(bound.output, "_lockstep\n") << bound.errors;
}

TEST(FishCompletion, OffersCommandsFlagsAndWords) {
  if (!IsInstalled("fish")) GTEST_SKIP() << "fish is not installed";
  const TemporaryFolder home;
  const auto offers = [&](const std::string& line) {
    const Outcome run = RunScript("HOME=" + home.path().string() +
                                      " exec fish --no-config -c '$argv[1] completion fish | "
                                      "source; complete -C \"" +
                                      line + "\"' \"$1\"",
                                  {});
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    return run.output;
  };
  EXPECT_THAT(offers("lockstep gen"), testing::StartsWith("generate\t"));
  EXPECT_THAT(offers("lockstep generate --top"), HasSubstr("--top-k\t"));
  EXPECT_THAT(offers("lockstep generate --dtype b"), testing::StartsWith("bf16"));
  const std::string load = offers("lockstep bench serve --");
  EXPECT_THAT(load, HasSubstr("--goodput\t"));
  EXPECT_THAT(load, Not(HasSubstr("--bytes")));
  EXPECT_EQ(offers("lockstep env "), "") << "there are no files to give";
}

TEST(ManualPages, AreReadWithoutComplaints) {
  const bool mandoc = IsInstalled("mandoc");
  if (!mandoc && !IsInstalled("groff")) GTEST_SKIP() << "neither mandoc nor groff is installed";
  // The date of a page is that of nothing: pages are the same whenever they are made.
  const std::string check =
      mandoc ? "mandoc -Tlint -W warning | grep -v \"missing date\"" : "groff -man -ww -z 2>&1";
  const Outcome run = RunScript(
      "for page in $(\"$1\" manual --list); do \"$1\" manual $page | " + check + "; done", {});
  EXPECT_EQ(run.output, "");
  EXPECT_EQ(run.errors, "");
}

TEST(ManualPages, AreShownByMan) {
  if (!IsInstalled("man")) GTEST_SKIP() << "man is not installed";
  const TemporaryFolder folder;
  const std::string file = (folder / "lockstep-serve.1").string();
  const Outcome run = RunScript(
      "\"$1\" manual serve > " + file + " && MANWIDTH=80 MAN_KEEP_FORMATTING= man -l " + file, {});
  if (run.exit_code != 0) GTEST_SKIP() << "man cannot show a file here: " << run.errors;
  EXPECT_THAT(run.output, HasSubstr("lockstep serve [MODEL] [FLAGS]"));
  EXPECT_THAT(run.output, HasSubstr("Key: server.port."));
}

}  // namespace
}  // namespace lockstep
