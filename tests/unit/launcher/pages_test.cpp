// Help, manual pages and completion are made from what parses the command line.
#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "launcher/flags/command_line.h"
#include "launcher/flags/pages/command_page.h"
#include "launcher/flags/pages/completion.h"
#include "launcher/flags/pages/wrapped.h"
#include "runtime/options/commands/bench_options.h"
#include "runtime/options/commands/load_options.h"
#include "runtime/options/option_table.h"
#include "tests/support/expect_narrow.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

std::string TextFor(Words words) {
  words.insert(words.begin(), "lockstep");
  const CommandLine line = ParseCommandLine(words);
  EXPECT_FALSE(line.run);
  return line.text;
}

// The words of every command, and none for the program.
std::vector<Words> Commands() {
  std::vector<Words> commands;
  std::istringstream pages(TextFor({"manual", "--list"}));
  for (std::string page; std::getline(pages, page);) {
    Words words;
    std::istringstream parts(page);
    for (std::string part; std::getline(parts, part, '-');)
      if (part != "lockstep") words.push_back(part);
    commands.push_back(words);
  }
  return commands;
}

std::string HelpOn(Words command) {
  command.push_back("--help");
  return TextFor(command);
}

// Help without its line breaks.
std::string Flowing(const std::string& help) {
  std::istringstream words(help);
  std::string flowing;
  for (std::string word; words >> word;) flowing += word + " ";
  return flowing;
}

TEST(Help, FitsIn80ColumnsForEveryCommand) {
  const std::vector<Words> commands = Commands();
  EXPECT_EQ(commands.size(), 21u);
  for (const Words& command : commands) {
    SCOPED_TRACE(testing::PrintToString(command));
    ExpectNarrow(HelpOn(command));
  }
}

TEST(Help, HasUsageGroupsAndExamples) {
  for (const Words& command : Commands()) {
    const std::string help = HelpOn(command);
    std::string usage = "Usage: lockstep";
    for (const std::string& word : command) usage += " " + word;
    EXPECT_THAT(help, HasSubstr("\n\n" + usage));
    EXPECT_THAT(help, HasSubstr("\nExample"));
    EXPECT_THAT(help, HasSubstr("\nHelp:\n  -h, --help "));
    EXPECT_THAT(help, Not(HasSubstr("\n\n\n")));
  }
  EXPECT_THAT(HelpOn({}), HasSubstr("\nTools:\n  env "));
  EXPECT_THAT(HelpOn({"bench"}), HasSubstr("Usage: lockstep bench COMMAND [FLAGS]\n"));
  EXPECT_THAT(HelpOn({"bench", "batch"}),
              HasSubstr("Usage: lockstep bench batch [MODEL] [FLAGS]\n"));
  EXPECT_THAT(HelpOn({"generate"}), HasSubstr("\n  -m, --model MODEL "));
}

TEST(Help, HasTheDefaultsOfTheCode) {
  const auto has = [](const Words& command, const std::string& text) {
    EXPECT_THAT(Flowing(HelpOn(command)), HasSubstr(text)) << testing::PrintToString(command);
  };
  has({"generate"}, "[default: the model's, or 0]");
  has({"generate"}, "ranks to divide the model over [default: one, or those of mpirun]");
  has({"serve"},
      "--temperature T randomness: 0 takes the most likely token always, 1 samples as "
      "the model predicts [default: the model's, or 1]");
  has({"serve"}, "[default: 127.0.0.1]");
  has({"bench", "decode"}, "1 samples as the model predicts [default: 0]");
  has({"bench", "serve"}, "the model predicts [default: 0; of a server, its own]");
  has({"bench", "serve"},
      fmt::format("how many requests are sent [default: {}]", LoadOptions::kUsualRequests));
  for (const BenchKind kind : {BenchKind::kDecode, BenchKind::kComm})
    has({"bench", std::string(Name(kind))},
        fmt::format("to warm up [default: {}]", DefaultBench(kind).rounds));
  has({"bench", "decode"}, "a case for each number [default: 1]");
  has({"bench", "batch"}, "a case for each number [default: 1,8,32]");
}

TEST(Help, HasOnlyTheFlagsOfEachBenchmark) {
  for (const auto& [kind, flag] : {std::pair{"prefill", "--new-tokens"},
                                   {"decode", "--bytes"},
                                   {"comm", "--batch"},
                                   {"comm", "--temperature"},
                                   {"comm", "--model"},
                                   {"comm", "--trace"}})
    EXPECT_THAT(HelpOn({"bench", kind}), Not(HasSubstr(flag))) << kind;
}

TEST(Help, SaysOfEachCommandWhatItsFlagsDoThere) {
  EXPECT_THAT(Flowing(HelpOn({"serve"})), HasSubstr("that share the requests"));
  EXPECT_THAT(Flowing(HelpOn({"generate"})), HasSubstr("that share the lines of --input"));
  EXPECT_THAT(Flowing(HelpOn({"eval"})), HasSubstr("that share the questions"));
  EXPECT_THAT(Flowing(HelpOn({"plan"})), HasSubstr("copies of the model"));
  EXPECT_THAT(Flowing(HelpOn({"complete"})), HasSubstr("whose first line is the API key to send"));
  EXPECT_THAT(Flowing(HelpOn({"serve"})), HasSubstr("API keys of which clients have to send one"));
  EXPECT_THAT(HelpOn({"eval"}), HasSubstr("--model MODEL[,MODEL,...]\n"));
  for (const Words& command : Commands())
    EXPECT_THAT(Flowing(HelpOn(command)), Not(HasSubstr("null:"))) << "null is a word of YAML";
}

TEST(Help, FindsFlagsAndKeysByAWord) {
  const std::string found = TextFor({"generate", "--help=penalty"});
  ExpectNarrow(found);
  for (const char* part :
       {"lockstep generate --repetition-penalty R\n", "    key         sampling.length_penalty\n",
        "    default     the model's, or 1\n", "    expected    a number from -2 to 2\n",
        "--set sampling.presence_penalty=VALUE\n"})
    EXPECT_THAT(found, HasSubstr(part));
  EXPECT_THAT(found, Not(HasSubstr("--temperature")));
  EXPECT_THAT(found, Not(HasSubstr("lockstep serve")));
  // By a word of the explanation, in any case; in all commands.
  const std::string all = TextFor({"--help=X-forwarded"});
  EXPECT_THAT(all, HasSubstr("lockstep serve --trusted-proxies N\n"));
  EXPECT_THAT(all, HasSubstr("--set server.trusted_proxies=VALUE\n"));
  EXPECT_THAT(TextFor({"plan", "--help=--top_k"}), HasSubstr("--set sampling.top_k=VALUE\n"));
  EXPECT_EQ(MessageOf([] {
              TextFor({"score", "--help=zebra"});
            }),
            "--help=\"zebra\": no flag and no key of the configuration mentions it; see lockstep "
            "score --help");
}

TEST(Help, OfAPromptIsAPrompt) {
  const Words words{"lockstep", "generate", "m", "--prompt", "--help=x"};
  EXPECT_EQ(ParseCommandLine(words).run.value().prompt, "--help=x");
}

TEST(Manual, HasAPageForEachCommand) {
  for (const Words& command : Commands()) {
    Words words{"manual"};
    std::string name = "lockstep";
    for (const std::string& word : command) {
      words.push_back(word);
      name += "-" + word;
    }
    const std::string page = TextFor(words);
    EXPECT_EQ(page, TextFor({"manual", name}));
    for (const char* section :
         {".TH LOCKSTEP", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH OPTIONS\n",
          ".SH EXAMPLES\n", ".SH EXIT STATUS\n", ".SH SEE ALSO\n", "\\fB\\-\\-help\\fR"})
      EXPECT_THAT(page, HasSubstr(section)) << name;
  }
  EXPECT_EQ(MessageOf([] {
              TextFor({"manual", "nothing"});
            }),
            "manual: there is no page \"lockstep-nothing\"; `lockstep manual --list` lists all");
}

TEST(Manual, OfTheProgramHasAllKeysOfTheConfiguration) {
  const std::string page = TextFor({"manual"});
  for (const OptionKey& key : OptionTable())
    EXPECT_THAT(page, HasSubstr("\\fB" + key.path + "\\fR\n")) << key.path;
}

TEST(Completion, KnowsEveryFlagOfEveryCommand) {
  const std::string bash = TextFor({"completion", "bash"});
  const std::string zsh = TextFor({"completion", "zsh"});
  const std::string fish = TextFor({"completion", "fish"});
  for (const char* flag :
       {"max-new-tokens", "find-rate", "trusted-proxies", "fit-output", "prompt"}) {
    EXPECT_THAT(bash, HasSubstr(std::string(" --") + flag));
    EXPECT_THAT(zsh, HasSubstr(std::string("'*--") + flag));
    EXPECT_THAT(fish, HasSubstr(std::string(" -l ") + flag + " "));
  }
  EXPECT_EQ(MessageOf([] {
              TextFor({"completion", "csh"});
            }),
            "completion: the shell is \"csh\"; expected bash, zsh or fish");
  EXPECT_EQ(MessageOf([] { TextFor({"completion"}); }),
            "completion: no shell is named; expected bash, zsh or fish");
}

TEST(CompletedValue, HasWordsPathsOrKeys) {
  const CommandPage page;
  const CompletionPlace place{page, {}};
  EXPECT_THAT(CompletedValue(place, {.name = "--dtype", .value = "fp32|bf16"}).words,
              testing::ElementsAre("fp32", "bf16"));
  const Completed path =
      CompletedValue(place, {.name = "--generation-config", .value = "none|auto|PATH"});
  EXPECT_TRUE(path.is_path);
  EXPECT_THAT(path.words, testing::ElementsAre("none", "auto"));
  const Completed set = CompletedValue(place, {.name = "--set", .value = "KEY.PATH=VALUE"});
  EXPECT_TRUE(set.continues);
  EXPECT_THAT(set.words, testing::Contains("parallel.tp="));
  const Completed number = CompletedValue(place, {.name = "--tp", .value = "N"});
  EXPECT_FALSE(number.is_path);
  EXPECT_TRUE(number.words.empty());
}

TEST(Wrapped, CutsAtSpaces) {
  EXPECT_EQ(Wrapped("a bb ccc dddd", 6, 0), "a bb\nccc\ndddd");
  EXPECT_EQ(Wrapped("a bb ccc dddd", 6, 2), "a bb\n  ccc\n  dddd");
  EXPECT_EQ(Wrapped("aa bb", 6, 3, 3), "aa\n   bb");
  EXPECT_EQ(Wrapped("a longerword b", 6, 0), "a\nlongerword\nb");
  EXPECT_EQ(Wrapped("", 6, 0), "");
}

TEST(ParagraphsOf, KeepsIndentedLinesAsTheyAre) {
  const std::vector<Paragraph> paragraphs = ParagraphsOf("One\ntext.\n\nList:\n  a\n  b\nEnd.");
  ASSERT_EQ(paragraphs.size(), 4u);
  EXPECT_EQ(paragraphs[0].text, "One text.");
  EXPECT_EQ(paragraphs[1].text, "List:");
  EXPECT_TRUE(paragraphs[2].is_verbatim);
  EXPECT_EQ(paragraphs[2].text, "  a\n  b");
  EXPECT_EQ(paragraphs[3].text, "End.");
}

}  // namespace
}  // namespace lockstep
