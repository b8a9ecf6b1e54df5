#include "launcher/flags/command_line.h"

#include <gmock/gmock.h>

#include <vector>

#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

CommandLine Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "lockstep");
  return ParseCommandLine(words);
}

Arguments ArgumentsOf(const std::vector<std::string>& words) { return Parse(words).run.value(); }

std::string ParseError(const std::vector<std::string>& words) {
  return MessageOf([&] { Parse(words); });
}

TEST(ParseCommandLine, ReadsEveryFlagOfGenerate) {
  const Arguments arguments = ArgumentsOf({"generate",
                                           "--model",
                                           "org/m",
                                           "--tp",
                                           "3",
                                           "--dtype",
                                           "bf16",
                                           "--prompt",
                                           "To be",
                                           "--top-k",
                                           "40",
                                           "--seed",
                                           "7",
                                           "--top-p",
                                           "0.9",
                                           "--temperature",
                                           "0.5",
                                           "--stop",
                                           "a",
                                           "--stop",
                                           "[b]",
                                           "--ignore-eos",
                                           "--threads",
                                           "2",
                                           "--backend",
                                           "reference",
                                           "--max-new-tokens",
                                           "9",
                                           "--tokenizer",
                                           "t.json"});
  EXPECT_EQ(arguments.command, Command::kGenerate);
  const Options& options = arguments.options;
  EXPECT_EQ(options.model.path, "org/m");
  EXPECT_EQ(options.model.tokenizer, "t.json");
  EXPECT_EQ(options.model.dtype, WeightFormat::kBF16);
  EXPECT_EQ(options.parallel.tp, 3);
  EXPECT_EQ(options.parallel.threads, 2);
  EXPECT_EQ(options.engine.backend, BackendKind::kReference);
  EXPECT_EQ(options.sampling.params.max_new_tokens, 9);
  EXPECT_EQ(options.sampling.params.temperature, 0.5);
  EXPECT_EQ(options.sampling.params.top_k, 40);
  EXPECT_EQ(options.sampling.params.top_p, 0.9);
  EXPECT_EQ(options.sampling.params.seed, 7u);
  EXPECT_TRUE(options.sampling.params.ignore_eos);
  EXPECT_THAT(options.sampling.stop, testing::ElementsAre("a", "[b]"));
  EXPECT_EQ(arguments.prompt, "To be");
  EXPECT_EQ(arguments.model_source, ModelSource::kFlag);
}

TEST(ParseCommandLine, HasTheDefaultsOfTheContract) {
  const Arguments arguments = ArgumentsOf({"generate", "--model", "m", "--input", "in.jsonl"});
  EXPECT_TRUE(arguments.options.model.dtype.is_auto());
  EXPECT_EQ(arguments.options.sampling.params.max_new_tokens, 128);
  EXPECT_EQ(arguments.options.sampling.params.temperature, 0.0);
  EXPECT_EQ(arguments.options.parallel.tp, std::nullopt);
  EXPECT_EQ(arguments.output, "-");
  EXPECT_EQ(arguments.prompt, std::nullopt);
}

TEST(ParseCommandLine, TakesPromptsThatLookLikeFlags) {
  EXPECT_EQ(ArgumentsOf({"generate", "--model", "m", "--prompt", "--help"}).prompt, "--help");
  EXPECT_EQ(ArgumentsOf({"generate", "--model", "m", "--prompt", "- item"}).prompt, "- item");
  EXPECT_EQ(ArgumentsOf({"generate", "--model", "m", "--prompt", "plan"}).prompt, "plan");
  EXPECT_EQ(ArgumentsOf({"generate", "--model", "m", "--prompt=a=b"}).prompt, "a=b");
  EXPECT_EQ(ArgumentsOf({"generate", "--model", "m", "--prompt", "[x]"}).prompt, "[x]");
  EXPECT_EQ(ArgumentsOf({"generate", "--model", "m", "--prompt", "\"x\""}).prompt, "\"x\"");
  EXPECT_EQ(ArgumentsOf({"generate", "--model", "m", "--prompt", ""}).prompt, "");
}

TEST(ParseCommandLine, RefusesAFlagThatIsGivenTwice) {
  EXPECT_EQ(ParseError({"plan", "--model", "m", "--tp", "2", "--tp", "3"}),
            "--tp is given 2 times; give it once");
  EXPECT_EQ(ParseError({"generate", "--model", "m", "-m", "n", "--prompt", "x"}),
            "generate: \"m\" and \"n\" are two models; give one, as an argument or by --model");
  EXPECT_EQ(ParseError({"generate", "--prompt", "x", "--prompt=x", "--model", "m"}),
            "--prompt is given 2 times; give it once");
  EXPECT_EQ(ParseError({"plan", "--config", "a", "--config", "b"}),
            "--config is given 2 times; give it once");
}

TEST(ParseCommandLine, KnowsTheFlagsOfOtherPrograms) {
  const Options llama = ArgumentsOf({"generate", "-m", "org/m", "-p", "-n", "-n", "5", "--temp",
                                     "0.5", "-s", "7", "-t", "2", "--top_k", "3"})
                            .options;
  EXPECT_EQ(llama.model.path, "org/m");
  EXPECT_EQ(llama.sampling.params.max_new_tokens, 5);
  EXPECT_EQ(llama.sampling.params.temperature, 0.5);
  EXPECT_EQ(llama.sampling.params.seed, 7u);
  EXPECT_EQ(llama.parallel.threads, 2);
  EXPECT_EQ(llama.sampling.params.top_k, 3);
  EXPECT_EQ(ArgumentsOf({"generate", "-m", "org/m", "-p", "-n"}).prompt, "-n");
  const Options vllm =
      ArgumentsOf({"generate", "--model=m", "--prompt", "x", "-tp", "2", "--max-tokens=6",
                   "--dtype", "bfloat16", "--data_parallel_size", "1"})
          .options;
  EXPECT_EQ(vllm.parallel.tp, 2);
  EXPECT_EQ(vllm.sampling.params.max_new_tokens, 6);
  EXPECT_EQ(vllm.model.dtype, WeightFormat::kBF16);
  for (const char* flag : {"--n-predict", "--max-new-tokens", "--max_new_tokens", "--predict"})
    EXPECT_EQ(ArgumentsOf({"generate", "-m", "m", "-p", "x", flag, "9"})
                  .options.sampling.params.max_new_tokens,
              9)
        << flag;
  EXPECT_EQ(ArgumentsOf({"plan", "-m", "m", "--tensor-parallel-size", "4"}).options.parallel.tp, 4);
}

TEST(ParseCommandLine, SaysWhatToDoInsteadOfFlagsThatAreNotHere) {
  EXPECT_EQ(ParseError({"tokenize", "m", "--revision", "step3000"}),
            "unknown flag \"--revision\" of tokenize; write it behind the model's name: --model "
            "org/name@REVISION; see lockstep tokenize --help");
  EXPECT_THAT(ParseError({"generate", "-m", "m", "-p", "x", "--max-length", "9"}),
              HasSubstr("--max-new-tokens"));
  EXPECT_THAT(ParseError({"generat", "--model", "m"}), HasSubstr("the nearest is generate"));
  EXPECT_EQ(ParseError({"--model", "m", "generate"}),
            "flag \"--model\" stands before the command; write lockstep COMMAND --model ...");
}

TEST(ParseCommandLine, TakesHelpAsACommandToo) {
  EXPECT_EQ(Parse({"help"}).text, Parse({"--help"}).text);
  EXPECT_EQ(Parse({"help", "plan"}).text, Parse({"plan", "--help"}).text);
}

TEST(ParseCommandLine, TakesNullFromFlagsOfKeysThatCanBeNull) {
  const TemporaryFolder folder;
  const std::string file = folder / "run.yaml";
  WriteText(file, "parallel: {tp: 2}\nsampling: {temperature: 0.5}\n");
  const Options options = ArgumentsOf({"generate", "--config", file, "-m", "m", "-p", "x", "--tp",
                                       "null", "--temperature", "null", "--tokenizer", "null"})
                              .options;
  EXPECT_EQ(options.parallel.tp, std::nullopt);
  EXPECT_EQ(options.sampling.params.temperature, 0.0);
  EXPECT_EQ(options.model.tokenizer, "null");
}

TEST(ParseCommandLine, RemembersWhoHasSetAKey) {
  const TemporaryFolder folder;
  const std::string file = folder / "run.yaml";
  WriteText(file, "parallel:\n  tp: 2\n");
  const auto stated =
      ArgumentsOf({"generate", "--config", file, "-m", "m", "--input", "x", "--top-k", "3", "--set",
                   "sampling.top_p=0.5", "--stop", "a", "--ignore-eos", "--pass-through"})
          .options.stated;
  EXPECT_EQ(stated.at("parallel.tp"), file + ":2:7: parallel.tp");
  EXPECT_EQ(stated.at("sampling.top_k"), "--top-k");
  EXPECT_EQ(stated.at("sampling.top_p"), "--set sampling.top_p");
  EXPECT_EQ(stated.at("sampling.stop"), "--stop");
  EXPECT_EQ(stated.at("sampling.ignore_eos"), "--ignore-eos");
  EXPECT_EQ(stated.at("input.unknown_fields"), "--pass-through");
}

TEST(ParseCommandLine, TakesAModelWithoutAFlag) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"generate", "m", "-p", "x"},
        {"generate", "-p", "x", "m"},
        {"generate", "--model", "m", "-p", "x"},
        {"score", "m", "--input", "i"},
        {"embed", "m", "--input", "i"},
        {"serve", "m", "--tp", "2"},
        {"complete", "m"},
        {"plan", "m"},
        {"bench", "decode", "m"},
        {"bench", "scaling", "m"},
        {"bench", "serve", "m", "--rate", "1"},
        {"eval", "m", "--perplexity", "t"}})
    EXPECT_EQ(ArgumentsOf(words).options.model.path, "m") << testing::PrintToString(words);
  EXPECT_EQ(ArgumentsOf({"bench", "batch", "m"}).bench.kind, BenchKind::kBatch);
  EXPECT_EQ(ArgumentsOf({"tokenize", "t"}).options.model.tokenizer, "t");
  EXPECT_EQ(ArgumentsOf({"eval", "a,b", "--perplexity", "t"}).evaluation.models.size(), 2u);
}

TEST(ParseCommandLine, TakesARevisionOfAModel) {
  EXPECT_EQ(
      ArgumentsOf({"generate", "o/m", "-p", "x", "--revision", "step3000"}).options.model.path,
      "o/m@step3000");
  EXPECT_EQ(ArgumentsOf({"eval", "o/m", "--perplexity", "t", "--revision=r"}).evaluation.models,
            std::vector<std::string>{"o/m@r"});
}

TEST(ParseCommandLine, TakesAPromptFromStandardInputOrAFile) {
  const Arguments stream = ArgumentsOf({"generate", "m", "-p", "-"});
  EXPECT_EQ(stream.prompt, std::nullopt);
  EXPECT_EQ(stream.prompt_file, "-");
  EXPECT_EQ(ArgumentsOf({"generate", "m", "--prompt-file", "/dev/stdin"}).prompt_file, "-");
  const Arguments file = ArgumentsOf({"generate", "m", "--prompt-file", "f", "--escape"});
  EXPECT_EQ(file.prompt_file, "f");
  EXPECT_EQ(file.escapes, PromptEscapes::kProcessed);
}

TEST(ParseCommandLine, ReadsTheOtherCommands) {
  const Arguments score =
      ArgumentsOf({"score", "--model", "m", "--input", "-", "--output", "o.jsonl"});
  EXPECT_EQ(score.command, Command::kScore);
  EXPECT_EQ(score.input, "-");
  EXPECT_EQ(score.output, "o.jsonl");
  const Arguments tokenize = ArgumentsOf({"tokenize", "--tokenizer", "t", "--decode"});
  EXPECT_EQ(tokenize.command, Command::kTokenize);
  EXPECT_EQ(tokenize.direction, TokenizeDirection::kDecode);
  EXPECT_EQ(ArgumentsOf({"tokenize", "--tokenizer", "t"}).direction, TokenizeDirection::kEncode);
  const Arguments plan = ArgumentsOf({"plan", "m", "--json"});
  EXPECT_EQ(plan.options.model.path, "m");
  EXPECT_EQ(plan.model_source, ModelSource::kFlag);
  EXPECT_FALSE(Parse({"plan", "m"}).plan.asks_for_times());
  EXPECT_EQ(Parse({"plan", "m", "--batch", "3"}).plan.batch, 3);
  EXPECT_EQ(plan.command, Command::kPlan);
  EXPECT_EQ(plan.report_format, ReportFormat::kJson);
}

TEST(ParseCommandLine, LetsSetOverrideYamlAndFlagsOverrideBoth) {
  const TemporaryFolder folder;
  const std::string file = folder / "run.yaml";
  WriteText(file, "model: {path: from/yaml}\nparallel: {tp: 2}\nsampling: {top_k: 1, seed: 1}\n");
  const Arguments arguments =
      ArgumentsOf({"generate", "--top-k", "3", "--set", "sampling.top_k=2", "--set",
                   "sampling.seed=2", "--config", file, "--prompt", "x"});
  EXPECT_EQ(arguments.options.model.path, "from/yaml");
  EXPECT_EQ(arguments.options.parallel.tp, 2);
  EXPECT_EQ(arguments.options.sampling.params.seed, 2u);
  EXPECT_EQ(arguments.options.sampling.params.top_k, 3);
  EXPECT_EQ(arguments.model_source, ModelSource::kConfig);
  EXPECT_EQ(arguments.config_file, file);
}

TEST(ParseCommandLine, TakesAYamlAsModelForAConfiguration) {
  const TemporaryFolder folder;
  const std::string file = folder / "run.yaml";
  WriteText(file, "model: {path: from/yaml}\n");
  const Arguments arguments = ArgumentsOf({"plan", "--model", file});
  EXPECT_EQ(arguments.options.model.path, "from/yaml");
  EXPECT_EQ(arguments.model_source, ModelSource::kConfig);
  EXPECT_EQ(ParseError({"plan", "--model", file, "--config", file}),
            fmt::format("--model {0} and --config {0} are two configurations; give one", file));
  EXPECT_EQ(ParseError({"plan", "--model", "/nowhere.yaml"}), "/nowhere.yaml: no such file");
}

TEST(ParseCommandLine, RefusesATraceThatWouldReplaceAnotherFile) {
  const std::vector<std::vector<std::string>> commands = {
      {"generate", "--model", "m", "--input", "a.jsonl", "--trace", "./a.jsonl"},
      {"generate", "--model", "m", "--input", "a", "--output", "o.jsonl", "--trace", "o.jsonl"},
      {"eval", "--model", "m", "--perplexity", "b.txt", "--trace", "b.txt"},
      {"bench", "serve", "--model", "m", "--rate", "1", "--json", "j", "--trace", "j"}};
  for (const auto& command : commands)
    EXPECT_THAT(ParseError(command), HasSubstr("--trace " + command.back() + ": "));
}

TEST(ParseCommandLine, RefusesFlagsOfRanksWhereTheyAreAServers) {
  const std::vector<std::string> serve = {"bench", "serve", "--url", "http://h", "--rate", "1"};
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--tp", "2"},
                                             {"--dtype", "bf16"},
                                             {"--set", "engine.max_sequences=4"},
                                             {"--random-weights"}}) {
    std::vector<std::string> command = serve;
    command.insert(command.end(), more.begin(), more.end());
    EXPECT_THAT(ParseError(command), HasSubstr(" with --url: the ranks are the server"))
        << more.front();
  }
  EXPECT_THAT(ParseError({"complete", "--url", "http://h", "--threads", "2"}),
              HasSubstr("--threads with --url"));
}

TEST(ParseCommandLine, RefusesWhatWouldHaveNoEffect) {
  EXPECT_THAT(ParseError({"generate", "--model", "m", "--prompt", "a", "--pass-through"}),
              HasSubstr("--pass-through goes with --input"));
  EXPECT_THAT(ParseError({"bench", "serve", "--model", "m", "--replay", "r", "--input-len", "9"}),
              HasSubstr("--input-len does not go with --replay"));
  EXPECT_THAT(ParseError({"generate", "--model", "m", "--prompt", "a", "--restart"}),
              HasSubstr("--restart goes with --input and --output"));
  EXPECT_THAT(ParseError({"generate", "--model", "m", "--input", "a", "--restart"}),
              HasSubstr("--restart goes with --input and --output"));
  EXPECT_EQ(ArgumentsOf({"score", "--model", "m", "--input", "a", "--dp", "2"}).options.parallel.dp,
            2);
  EXPECT_THAT(ParseError({"embed", "--model", "m", "--input", "a", "--output", "b.npz"}),
              HasSubstr("--output b.npz: an array for NumPy is written to a file .npy"));
  EXPECT_THAT(
      ParseError({"embed", "--model", "m", "--input", "a", "--output", "b.npy", "--pass-through"}),
      HasSubstr("a .npy file has no room for fields that are passed through"));
}

TEST(ParseCommandLine, ReadsWhatEvalIsToEvaluate) {
  const Arguments arguments = ArgumentsOf({"eval",
                                           "--model",
                                           "a,org/b@step1000",
                                           "--tasks",
                                           "piqa,sciq",
                                           "--data",
                                           "d",
                                           "--num-fewshot",
                                           "5",
                                           "--limit",
                                           "20",
                                           "--output",
                                           "r.json",
                                           "--samples",
                                           "s.jsonl",
                                           "--perplexity",
                                           "t.txt",
                                           "--tp",
                                           "2",
                                           "--dp",
                                           "2"});
  EXPECT_EQ(arguments.command, Command::kEval);
  const EvaluationOptions& asked = arguments.evaluation;
  EXPECT_EQ(asked.models, (std::vector<std::string>{"a", "org/b@step1000"}));
  EXPECT_EQ(arguments.options.model.path, "a");
  EXPECT_EQ(asked.tasks, (std::vector<std::string>{"piqa", "sciq"}));
  EXPECT_EQ(asked.data, "d");
  EXPECT_EQ(asked.num_fewshot, 5);
  EXPECT_EQ(asked.limit, 20);
  EXPECT_EQ(asked.perplexity, "t.txt");
  EXPECT_EQ(asked.samples, "s.jsonl");
  EXPECT_EQ(arguments.output, "r.json");
  EXPECT_EQ(ArgumentsOf({"eval", "--model", "a", "--perplexity", "t"}).output, "");
  const EvaluationOptions sweep = ArgumentsOf({"eval", "--model", "o/a,o/b", "--perplexity", "t",
                                               "--revisions", "step0,step1000..step3000/2000"})
                                      .evaluation;
  EXPECT_EQ(sweep.revisions, (std::vector<std::string>{"step0", "step1000", "step3000"}));
  EXPECT_EQ(sweep.checkpoints(), 6u);
  const EvaluationOptions drawn = ArgumentsOf({"eval", "--model", "a", "--perplexity", "t",
                                               "--html", "r.html", "--published", "evals"})
                                      .evaluation;
  EXPECT_EQ(drawn.html, "r.html");
  EXPECT_EQ(drawn.published, "evals");
}

TEST(ParseCommandLine, AnswersHelpAndVersion) {
  EXPECT_THAT(Parse({"--version"}).text,
              testing::MatchesRegex("lockstep 0.1.0( \\([0-9a-f+]+\\))?\n"));
  const CommandLine main = Parse({"--help"});
  EXPECT_FALSE(main.run);
  for (const char* command : {"generate", "score", "tokenize", "plan", "eval", "trace"}) {
    EXPECT_THAT(main.text, HasSubstr(command));
    const CommandLine help = Parse({command, "--help"});
    EXPECT_FALSE(help.run);
    EXPECT_THAT(help.text, HasSubstr(std::string("Usage: lockstep ") + command));
    EXPECT_THAT(help.text, HasSubstr("Example"));
    EXPECT_THAT(help.text, testing::Not(HasSubstr("\n\n\n")));
  }
}

TEST(ParseCommandLine, TakesATraceOfWhateverRunsRanks) {
  using Words = std::vector<std::string>;
  for (const Words& words : {Words{"generate", "--prompt", "x"},
                             {"score", "--input", "i"},
                             {"embed", "--input", "i"},
                             {"serve"},
                             {"bench", "decode"},
                             {"bench", "scaling"},
                             {"bench", "serve", "--concurrency", "1"},
                             {"eval", "--tasks", "sciq", "--data", "d"}}) {
    Words whole = words;
    whole.insert(whole.end(), {"--model", "m", "--trace", "t.json"});
    EXPECT_EQ(ArgumentsOf(whole).trace_file, "t.json") << words[0];
  }
  const Arguments read = ArgumentsOf({"trace", "t.json", "--json"});
  EXPECT_EQ(read.command, Command::kTrace);
  EXPECT_EQ(read.trace_file, "t.json");
  EXPECT_EQ(read.report_format, ReportFormat::kJson);
}

TEST(ParseCommandLine, PrintsTheConfigurationItWouldRunWith) {
  const CommandLine line = Parse({"plan", "--tp", "5", "--print-config"});
  EXPECT_FALSE(line.run);
  EXPECT_THAT(line.text, HasSubstr("\n  tp: 5 "));
}

}  // namespace
}  // namespace lockstep
