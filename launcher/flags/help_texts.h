#pragma once

namespace lockstep {

// What --help says beside the flags.

inline constexpr const char* kMainHelp =
    "Text generation with GPT-J, GPT-NeoX (Pythia) and GPT-2 models over many ranks.";
inline constexpr const char* kMainFooter =
    R"(MODEL is a folder with a Hugging Face checkpoint, org/name[@revision] in the local Hugging
Face cache, or a configuration such as configs/pythia-1.4b.yaml. `lockstep COMMAND --help`
explains a command.

Exit codes: 0 well; 1 a defect of Lockstep; 2 bad input; 3 files, memory or MPI; 4 a rank failed;
5 bench compare --fail-on-slower found something slower; 130 interrupted.)";

inline constexpr const char* kGenerateFooter = R"(Examples:
  lockstep generate --model EleutherAI/pythia-1.4b --tp 2 --prompt "Once upon a time"
  lockstep generate --model ./gpt-j-6b --dtype bf16 --temperature 0.8 --top-p 0.95 \
      --input prompts.jsonl --output texts.jsonl

A line of the input is {"prompt": TEXT} or {"tokens": [ID, ...]}, with an "id" if you like, and
where it is to differ from the flags max_new_tokens, temperature, top_k, top_p, min_p, seed, stop,
ignore_eos, repetition_penalty, presence_penalty, frequency_penalty, min_tokens, n, best_of,
num_beams, length_penalty, early_stopping and logprobs; and logit_bias {"ID": B},
allowed_token_ids, banned_token_ids, stop_token_ids, prompt_logprobs and priority (lower ones
first). The output has a line for each, in the same order:
  {"id", "prompt", "text", "tokens", "finish_reason": "length" | "stop" | "eos"}
  {"id", "prompt", "samples": [{"text", "tokens", "finish_reason"}, ...]}     where n is not 1
  {"id", "error"}                      for a line that cannot be used; then the exit code is 2
Fields that are not known are an error, or with --pass-through come back in the answer.
Lines of OpenAI's batch files ({"custom_id", "method", "url", "body"}) are taken too, and are
answered as such. Their model is MODEL as it is written here, or --set server.model_name.
Where nothing is said, the model's generation_config.json counts; docs/sampling.md has the rules.
A job may be killed: the same command goes on where it stopped, as if nothing had been.)";

inline constexpr const char* kScoreFooter = R"(Example:
  lockstep score --model EleutherAI/pythia-1.4b --input texts.jsonl --output scores.jsonl

A line of the input is {"text": TEXT}, {"tokens": [ID, ...]}, or a context and what follows on it,
{"context": TEXT, "continuation": TEXT}, both of them token ids if you like; with an "id" if you
like. The output has a line for each, in the same order:
  {"id", "tokens", "logprobs": [null, ...], "top": [null, ...]}
  {"id", "tokens", "logprobs", "top", "sum_logprob", "is_greedy"}      of a continuation alone
  {"id", "error"}                      for a line that cannot be used; then the exit code is 2
with the natural logarithm of each token's probability and the most likely token at its place; and
whether a continuation is what greedy decoding would have chosen. The two are tokenized as
lm-evaluation-harness does it.
A job may be killed: the same command goes on where it stopped, as if nothing had been.)";

inline constexpr const char* kEmbedFooter = R"(Examples:
  lockstep embed --model EleutherAI/pythia-1.4b --input texts.jsonl --output vectors.npy
  lockstep embed --model EleutherAI/pythia-1.4b --tp 2 --layer 12 --pooling last --input texts.jsonl

A line of the input is {"text": TEXT} or {"tokens": [ID, ...]}, with an "id" if you like. The
output has a line for each, in the same order:
  {"id", "embedding": [...]}
  {"id", "error"}                      for a line that cannot be used; then the exit code is 2
An output that ends in .npy is one array [lines, d_model] of 32-bit floats for NumPy instead; it has
no room for lines that cannot be used, which then end the job.
A job may be killed: the same command goes on where it stopped, as if nothing had been.
Layers are counted as in hidden_states of transformers: 0 is the embedding's output, 1 that of the
first block, the last one is behind the final norm.)";

inline constexpr const char* kServeFooter = R"(Examples:
  lockstep serve --model EleutherAI/pythia-1.4b --tp 2
  curl http://127.0.0.1:8000/v1/completions -d '{"prompt": "Once upon a time", "max_tokens": 20}'

Answers POST /v1/completions, /v1/chat/completions and /v1/embeddings as OpenAI's clients expect, with
the extras of vLLM's; GET /v1/models, /v1/defaults, /health, /version, /metrics, /tokenizer_info and
/openapi.json; POST /tokenize and /detokenize. Told to stop (Ctrl-C, SIGTERM) it first answers what it
has accepted; a second signal ends it at once.
A browser finds a page for writing with the model at /.
Ranks that die or hang are started again, and what they had goes on where it was. --dp starts several
groups of --tp ranks, which share the requests.
The flags that choose tokens are the defaults of requests. Where neither they nor the model name a
temperature it is 1, as OpenAI has it.)";

inline constexpr const char* kCompleteFooter = R"(Examples:
  lockstep complete --model EleutherAI/pythia-410m
  lockstep complete --url http://127.0.0.1:8000

Each line is continued by the model as it is, and streamed. /set temperature 0.8 sets a control of the
next ones, /more goes on behind the last answer, /again makes another; /help shows all commands. Ctrl-C
ends one answer, Ctrl-D the program. What is piped in is answered line by line.
A model of its own is served by a `lockstep serve` that only this program knows.)";

inline constexpr const char* kTokenizeFooter = R"(Examples:
  echo '{"text": "Hello world"}' | lockstep tokenize --tokenizer ./pythia-70m
  echo '{"tokens": [12092, 1533]}' | lockstep tokenize --tokenizer ./pythia-70m --decode

Reads JSON lines from standard input and answers each at once on standard output.)";

inline constexpr const char* kPlanFooter = R"(Examples:
  lockstep plan --model configs/pythia-12b.yaml --tp 8 --dtype bf16
  lockstep plan EleutherAI/pythia-1.4b --tp 3 --json
  lockstep plan configs/aphra-6b.yaml --machine h100 --dtype bf16 --batch 32
  lockstep plan configs/aphra-6b.yaml --machine avx512 --goal "10 tokens/s for 16 users"
  lockstep plan configs/aphra-6b.yaml --machine h100 --dtype bf16 --dp 64 --simulate 1000000 --rate 2000
  lockstep plan configs/pythia-410m.yaml --machine here --fit bench.json --fit-output mine.yaml

Reads config.json, or the model.shape of a configuration, and no weights. With a machine, or anything
else of what to predict, it says what memory and time that takes: docs/planning.md.)";

inline constexpr const char* kBenchFooter = R"(KIND is what to measure:
  decode   one sequence, token by token
  prefill  prompts
  batch    several sequences, token by token
  comm     all-reduces between the ranks

Of its commands each has a --help of its own.

Examples:
  lockstep bench decode --model configs/pythia-1.4b.yaml --dtype bf16 --tp 2 --threads 1
  lockstep bench batch --model ./gpt-j-6b --dtype bf16 --batch 1,8,32 --json
  lockstep bench comm --tp 2

Where the checkpoint of a configuration is not on this machine, weights of its model.shape are
made up: their values do not matter to the time.)";

inline constexpr const char* kBenchScalingFooter = R"(Examples:
  lockstep bench scaling --model configs/pythia-160m.yaml --dtypes bf16,int8 --ranks 1,2,4
  lockstep bench scaling --model ./pythia-410m --batch 1,8 --prompt-tokens 16,512 --html scaling.html

Strong scaling has the same batch on all rank counts, weak scaling a batch for each rank. A world of
ranks is started for each rank count and dtype, and warms up; a round is all of them once. Every rank has
as many threads at all counts (--threads). Of each step it is told, rank by rank, how long products,
attention, the sums over the ranks, waiting for other ranks and all else take.
Ctrl-C ends it, and shows what was measured so far. In a world that mpirun or srun has started it
measures that one. docs/scaling_benchmark.md explains the figures.)";

inline constexpr const char* kBenchCompareFooter = R"(Example:
  lockstep bench compare before.json after.json --fail-on-slower

Compares every figure that both results have for several rounds (--rounds 5): the two are told apart by
a two-sided Mann-Whitney test with p < 0.05, and where their medians are 1 % apart.)";

inline constexpr const char* kBenchServeFooter = R"(Examples:
  lockstep bench serve --url http://127.0.0.1:8000 --concurrency 8 --requests 200
  lockstep bench serve --url http://127.0.0.1:8000 --rate 4 --seconds 60 --goodput ttft:500ms,tpot:50ms
  lockstep bench serve --url http://127.0.0.1:8000 --find-rate --goodput ttft:500ms,tpot:50ms
  lockstep bench serve --model models/shakespeare-neox --concurrency 4 --json result.json

Any server with OpenAI's streaming completions; --model is then the name of the model, by default the
first that the server names. Latencies and rates are defined as by `vllm bench serve`. Prompts are
random token ids; outputs have the length that is asked for (ignore_eos). --seed gives another load.
A line of --replay is {"arrival_s": S, "prompt_tokens": N, "output_tokens": M}; "timestamp" in
milliseconds, "prompt" and "tokens" are understood, too.
Ctrl-C ends it, and shows what was measured so far. docs/serving_benchmark.md has the
definitions.)";

inline constexpr const char* kEvalFooter = R"(Examples:
  lockstep eval --model EleutherAI/pythia-160m,EleutherAI/pythia-410m --tp 2 \
      --tasks lambada_openai,piqa,winogrande,arc_easy,sciq --data ./eval --output results.json
  lockstep eval --model ./gpt-j-6b --tasks sciq --data ./eval --num-fewshot 5 --limit 200
  lockstep eval --model EleutherAI/pythia-410m --perplexity book.txt
  lockstep eval --model EleutherAI/pythia-70m,EleutherAI/pythia-160m \
      --revisions step0,step512,step1000..step143000/2000 --tasks sciq --data ./eval \
      --output sweep.json --html sweep.html --published pythia/evals/pythia-v1

Prompts, scores and standard errors are those of lm-evaluation-harness, and so are the fields of the
results and of --samples. With --num-fewshot the folder has a file of training documents for each task
but lambada_openai; docs/evaluation.md has the names of the files. Of several models the results are
{"models": [{...}, ...]}. --revisions evaluates each of these checkpoints of every model, without
starting the ranks anew; those that are not in the Hugging Face cache or are damaged are named and left
out, and the exit code is not 0 then.
A job with --output may be killed: the same command goes on where it stopped.)";

}  // namespace lockstep
