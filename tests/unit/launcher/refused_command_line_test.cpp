// Command lines that are refused: one line each, with what to do.
#include <vector>

#include "launcher/flags/command_line.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

struct Refused {
  std::vector<std::string> words;
  const char* message;
};

class RefusedCommandLine : public testing::TestWithParam<Refused> {};

TEST_P(RefusedCommandLine, IsRefusedInOneLine) {
  std::vector<std::string> words = GetParam().words;
  words.insert(words.begin(), "lockstep");
  const std::string message = MessageOf([&] { ParseCommandLine(words); });
  EXPECT_EQ(message, GetParam().message);
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    ParseCommandLine, RefusedCommandLine,
    testing::Values(
        Refused{{},
                "no command; expected generate, score, embed, serve, complete, tokenize, plan, "
                "bench, eval, trace, env, completion, manual; see lockstep --help"},
        Refused{
            {"genrate", "--model", "m"},
            "unknown command \"genrate\"; the nearest is generate, all are generate, score, "
            "embed, serve, complete, tokenize, plan, bench, eval, trace, env, completion, manual"},
        Refused{{"zzz"},
                "unknown command \"zzz\"; all are generate, score, embed, serve, complete, "
                "tokenize, plan, bench, eval, trace, env, completion, manual"},
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
                "unknown flag \"-t\" of tokenize; see lockstep tokenize --help"},
        Refused{{"generate", "m", "--foo", "4"},
                "unknown flag \"--foo\" of generate; see lockstep generate --help"},
        Refused{
            {"generate", "m", "Once"},
            "generate: the model is \"m\", and \"Once\" belongs to no flag; give one model, as an "
            "argument or by --model, and a text by --prompt; see lockstep generate --help"},
        Refused{{"plan", "m", "stray"},
                "plan: the model is \"m\", and \"stray\" belongs to no flag; give one model, as an "
                "argument or by --model; see lockstep plan --help"},
        Refused{
            {"bench", "compare", "a", "b", "stray"},
            "\"stray\" does not belong to any flag of bench compare; see lockstep bench compare "
            "--help"},
        Refused{{"generate", "m", "--model", "n", "--prompt", "x"},
                "generate: \"m\" and \"n\" are two models; give one, as an argument or by --model"},
        Refused{{"serve", "--model", "n", "m"},
                "serve: the model is \"n\", and \"m\" belongs to no flag; give one model, as an "
                "argument or by --model; see lockstep serve --help"},
        Refused{{"generate", "m", "-p", "x", "--prompt-file", "f"},
                "generate: --prompt and --prompt-file are both given; expected one of them"},
        Refused{{"generate", "m", "-p", "-", "--prompt-file", "f"},
                "generate: --prompt and --prompt-file are both given; expected one of them"},
        Refused{{"generate", "m", "--prompt-file", "f", "--input", "i"},
                "generate: --prompt-file and --input are both given; expected one of them"},
        Refused{{"generate", "m", "--input", "i", "--escape"},
                "generate: --escape goes with --prompt or --prompt-file"},
        Refused{{"generate", "o/m@a", "-p", "x", "--revision", "b"},
                "--revision b: the model o/m@a names a revision itself; give it in one of them"},
        Refused{
            {"generate", "/", "-p", "x", "--revision", "b"},
            "--revision b: / is a folder; only models in the Hugging Face cache have revisions"},
        Refused{{"eval", "o/a,o/b", "--perplexity", "t", "--revision", "c"},
                "--revision c: it belongs to one model, and there are several, o/a,o/b; write "
                "org/name@REVISION, or --revisions"},
        Refused{{"plan", "--revision", "b"}, "--revision b: no model; expected MODEL"},
        Refused{{"bench", "scaling", "-m", "m", "--stages", "0"},
                "--stages is \"0\"; expected an integer from 1 to 65536"},
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
        Refused{{"plan", "--model", "m", "--dtype", "fp6"},
                "--dtype is \"fp6\"; expected auto or fp32 or bf16 or fp16 or fp8 or int8 or int4"},
        Refused{{"plan", "--model", "m", "--set", "sampling.topk=3"},
                "--set sampling.topk=3: unknown key \"sampling.topk\"; the nearest known key is "
                "\"sampling.top_k\""},
        Refused{{"plan"}, "plan: no model; expected --model MODEL or --config FILE.yaml"},
        Refused{{"tokenize"},
                "tokenize: no tokenizer; expected --tokenizer PATH, or a model's name"},
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
        Refused{{"trace"}, "trace: no file; expected one that --trace has written"},
        Refused{{"bench"},
                "bench: no command; expected decode, prefill, batch, comm, scaling, serve, "
                "compare; see lockstep bench --help"},
        Refused{{"bench", "decod", "m"},
                "unknown command \"decod\" of bench; the nearest is decode, all are decode, "
                "prefill, batch, comm, scaling, serve, compare"},
        Refused{{"bench", "--batch", "8", "decode", "m"},
                "flag \"--batch\" stands before the command; write lockstep bench COMMAND "
                "--batch ..."},
        Refused{{"bench", "comm", "--tp", "2", "--pp", "2"},
                "bench comm: --pp is 2; expected 1: it measures ranks that divide every block"},
        Refused{{"bench", "serve", "--url", "http://h:1", "--rate", "1", "--trace", "t.json"},
                "bench serve: --trace t.json with --url: a trace is of ranks; give it to the "
                "server"},
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
                "generate: --prompt has no value; expected --prompt TEXT"},
        Refused{{"bench", "serve", "--url"},
                "bench serve: --url has no value; expected --url http[s]://HOST:PORT"}));

}  // namespace
}  // namespace lockstep
