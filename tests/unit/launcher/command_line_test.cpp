#include "launcher/flags/command_line.h"

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
  EXPECT_EQ(arguments.options.model.dtype, WeightFormat::kF32);
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
            "--model is given 2 times; give it once");
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
  EXPECT_EQ(ParseError({"generate", "-m", "m", "-p", "x", "--revision", "step3000"}),
            "unknown flag \"--revision\" of generate; write it behind the model's name: --model "
            "org/name@REVISION; see lockstep generate --help");
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
      ArgumentsOf({"generate", "--config", file, "-m", "m", "-p", "x", "--top-k", "3", "--set",
                   "sampling.top_p=0.5", "--stop", "a", "--ignore-eos", "--pass-through"})
          .options.stated;
  EXPECT_EQ(stated.at("parallel.tp"), file + ":2:7: parallel.tp");
  EXPECT_EQ(stated.at("sampling.top_k"), "--top-k");
  EXPECT_EQ(stated.at("sampling.top_p"), "--set sampling.top_p");
  EXPECT_EQ(stated.at("sampling.stop"), "--stop");
  EXPECT_EQ(stated.at("sampling.ignore_eos"), "--ignore-eos");
  EXPECT_EQ(stated.at("input.unknown_fields"), "--pass-through");
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

TEST(ParseCommandLine, RefusesWhatWouldHaveNoEffect) {
  EXPECT_THAT(ParseError({"generate", "--model", "m", "--prompt", "a", "--restart"}),
              HasSubstr("--restart goes with --input and --output"));
  EXPECT_THAT(ParseError({"generate", "--model", "m", "--input", "a", "--restart"}),
              HasSubstr("--restart goes with --input and --output"));
  EXPECT_EQ(ArgumentsOf({"score", "--model", "m", "--input", "a", "--dp", "2"}).options.parallel.dp,
            2);
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
  EXPECT_EQ(Parse({"--version"}).text, "lockstep 0.1.0\n");
  const CommandLine main = Parse({"--help"});
  EXPECT_FALSE(main.run);
  for (const char* command : {"generate", "score", "tokenize", "plan", "eval"}) {
    EXPECT_THAT(main.text, HasSubstr(command));
    const CommandLine help = Parse({command, "--help"});
    EXPECT_FALSE(help.run);
    EXPECT_THAT(help.text, HasSubstr(std::string("Usage: lockstep ") + command));
    EXPECT_THAT(help.text, HasSubstr("Example"));
    EXPECT_THAT(help.text, testing::Not(HasSubstr("\n\n\n")));
  }
}

TEST(ParseCommandLine, PrintsTheConfigurationItWouldRunWith) {
  const CommandLine line = Parse({"plan", "--tp", "5", "--print-config"});
  EXPECT_FALSE(line.run);
  EXPECT_THAT(line.text, HasSubstr("\n  tp: 5 "));
}

struct Refused {
  std::vector<std::string> words;
  const char* message;
};

class RefusedCommandLine : public testing::TestWithParam<Refused> {};

TEST_P(RefusedCommandLine, IsRefusedInOneLine) {
  const std::string message = ParseError(GetParam().words);
  EXPECT_EQ(message, GetParam().message);
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    ParseCommandLine, RefusedCommandLine,
    testing::Values(
        Refused{{},
                "no command; expected generate, score, embed, serve, complete, tokenize, plan, "
                "bench or eval; see lockstep --help"},
        Refused{{"genrate", "--model", "m"},
                "unknown command \"genrate\"; the nearest is generate, all are generate, score, "
                "embed, serve, complete, tokenize, plan, bench, eval"},
        Refused{{"plan", "score"}, "plan and score are two commands; give one"},
        Refused{{"--versio"},
                "unknown flag \"--versio\"; the nearest known one is --version; see lockstep "
                "--help"},
        Refused{{"generate", "--model", "m", "--temprature", "1", "--prompt", "x"},
                "unknown flag \"--temprature\" of generate; the nearest known one is "
                "--temperature; see lockstep generate --help"},
        Refused{{"generate", "--model", "m", "--maxnew-tokens=4", "--prompt", "x"},
                "unknown flag \"--maxnew-tokens\" of generate; the nearest known one is "
                "--max-new-tokens; see lockstep generate --help"},
        Refused{{"tokenize", "-t", "4"},
                "unknown flag \"-t\" of tokenize; the nearest known one is --help; see lockstep "
                "tokenize --help"},
        Refused{{"plan", "m", "stray"},
                "\"stray\" does not belong to any flag of plan; see lockstep plan --help"},
        Refused{{"plan", "m", "--pp", "2"},
                "plan: --pp is 2; expected 1: a copy of a model has one stage for now"},
        Refused{{"plan", "m", "--goal", "g", "--batch", "2"},
                "plan: --goal says for how many users; leave --batch out"},
        Refused{{"plan", "m", "--simulate", "9", "--batch", "2"},
                "plan: --simulate has as many texts in flight as arrive; leave --batch out"},
        Refused{{"plan", "m", "--goal", "g", "--fit", "r.json"},
                "plan: --goal and --fit are two things to do; keep what --fit finds with "
                "--fit-output FILE.yaml, and look for layouts with --machine FILE.yaml"},
        Refused{{"plan", "m", "--goal", "g", "--simulate", "9"},
                "plan: --simulate and --goal are two things to do; give one"},
        Refused{{"plan", "m", "--rate", "9"}, "plan: --rate goes with --simulate N"},
        Refused{{"plan", "m", "--fit-output", "f"},
                "plan: --fit-output goes with --fit RESULT.json"},
        Refused{{"plan", "m", "--batch", "0"},
                "--batch is \"0\"; expected an integer from 1 to 1048576"},
        Refused{{"plan", "--model", "m", "--tp", "two"},
                "--tp is \"two\"; expected an integer from 1 to 65536"},
        Refused{{"plan", "--model", "m", "--tp", "-2"},
                "--tp is \"-2\"; expected an integer from 1 to 65536"},
        Refused{{"plan", "--model", "m", "--dtype", "fp8"},
                "--dtype is \"fp8\"; expected fp32 or bf16 or fp16 or int8 or int4"},
        Refused{{"plan", "--model", "m", "--set", "sampling.topk=3"},
                "--set sampling.topk=3: unknown key \"sampling.topk\"; the nearest known key is "
                "\"sampling.top_k\""},
        Refused{{"plan"}, "plan: no model; expected --model MODEL or --config FILE.yaml"},
        Refused{{"tokenize"}, "tokenize: no tokenizer; expected --tokenizer PATH"},
        Refused{{"generate", "--model", "m"},
                "generate: no text; expected --prompt TEXT or --input FILE.jsonl"},
        Refused{{"score", "--model", "m"}, "score: no text; expected --input FILE.jsonl"},
        Refused{{"generate", "--prompt", "x"},
                "generate: no model; expected --model MODEL, or model.path in a configuration"},
        Refused{{"generate", "--model", "m", "--prompt", "x", "--input", "y"},
                "generate: --prompt and --input are both given; expected one of them"},
        Refused{{"generate", "--model", "m", "--prompt", "x", "--output", "y"},
                "generate: --output goes with --input; a --prompt is answered on standard output"},
        Refused{{"generate", "--model", "m", "--prompt", "x", "--quiet", "--verbose"},
                "generate: --quiet and --verbose are both given; expected one of them"},
        Refused{{"generate", "--model", "m", "--prompt", "x", "--top-p", "0"},
                "--top-p is \"0\"; expected a number from 1e-09 to 1"},
        Refused{{"generate", "--model", "m", "--prompt", "x", "--stop", ""},
                "--stop holds an empty text; expected a text or a list of texts, none empty"},
        Refused{{"eval", "--model", "m"},
                "eval: nothing to evaluate; expected --tasks T,T --data DIR, or --perplexity FILE"},
        Refused{{"eval", "--model", "m", "--tasks", "piqa"},
                "eval: no documents for --tasks; expected --data DIR"},
        Refused{{"eval", "--tasks", "piqa", "--data", "d"},
                "eval: no model; expected --model MODEL, or model.path in a configuration"},
        Refused{{"eval", "--model", "m", "--tasks", "piqa,,sciq", "--data", "d"},
                "--tasks is \"piqa,,sciq\"; expected names with single commas between them"},
        Refused{{"eval", "--model", "m", "--tasks", "piqa,piqa", "--data", "d"},
                "--tasks names \"piqa\" twice; give it once"},
        Refused{{"eval", "--model", "n.yaml,m", "--perplexity", "t"},
                "--model n.yaml: a configuration is no model of a list; give it as --config, or "
                "alone"},
        Refused{{"eval", "--model", "m", "--perplexity", "t", "--published", "p"},
                "eval: --published is given, but no --html, which shows those scores"},
        Refused{{"eval", "--model", "m", "--perplexity", "t", "--revisions", "step1..x"},
                "--revisions: the range \"step1..x\" is none; expected stepA..stepB or "
                "stepA..stepB/N with whole numbers, such as step1000..step143000/2000"},
        Refused{{"eval", "--model", "o/m@a", "--perplexity", "t", "--revisions", "b"},
                "--revisions: the model \"o/m@a\" names a revision itself; give it in one of them"},
        Refused{{"eval", "--model", "m", "--perplexity", "t", "--limit", "3"},
                "eval: --limit is given, but no --tasks, which it belongs to"},
        Refused{{"eval", "--model", "m", "--tasks", "piqa", "--data", "d", "--limit", "0"},
                "--limit is \"0\"; expected an integer from 1 to 1099511627776"},
        Refused{{"eval", "--model", "m", "--perplexity", "t", "--restart"},
                "eval: --restart goes with --output: nothing else can be left unfinished"},
        Refused{{"generate", "--model", "m", "--prompt"},
                "--prompt: 1 required TEXT missing; see lockstep --help"}));

}  // namespace
}  // namespace lockstep
