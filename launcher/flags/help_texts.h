#pragma once

namespace lockstep {

// What --help says beside the flags. Lines that begin with a space stand as they are, in 80 columns
// at most; others are paragraphs.

// What the value of --set is called.
inline constexpr const char* kSettingValue = "KEY.PATH=VALUE";

inline constexpr const char* kMainHelp =
    "Text generation with GPT-J, GPT-NeoX (Pythia) and GPT-2 models over many ranks.";
inline constexpr const char* kMainFooter =
    R"(Examples:
  lockstep generate EleutherAI/pythia-1.4b --prompt "Once upon a time"
  lockstep serve EleutherAI/pythia-1.4b --tp 2
  lockstep generate --help=temperature

MODEL is a folder with a Hugging Face checkpoint, org/name[@revision] in the local Hugging Face
cache, or a configuration such as configs/pythia-1.4b.yaml.

`lockstep COMMAND --help` explains a command. `--help=WORD`, with or without a command, finds the
flags and the keys of the configuration that mention a word.

Exit codes:
  0    success
  1    internal error
  2    bad input: flags, configuration, model, request
  3    files, memory or MPI
  4    a rank failed
  5    bench compare --fail-on-slower found something slower
  130  interrupted)";

inline constexpr const char* kGenerateFooter = R"(Examples:
  lockstep generate EleutherAI/pythia-1.4b --tp 2 -p "Once upon a time"
  lockstep generate ./gpt-j-6b --dtype bf16 --temperature 0.8 --top-p 0.95 \
      --input prompts.jsonl --output texts.jsonl
  git log -1 --format=%B | lockstep generate ./pythia-410m --prompt -

A line of the input is {"prompt": TEXT} or {"tokens": [ID, ...]}. It may have an "id", and
settings that override the flags for this line: max_new_tokens, temperature, top_k, top_p, min_p,
seed, stop, ignore_eos, repetition_penalty, presence_penalty, frequency_penalty, min_tokens, n,
best_of, num_beams, length_penalty, early_stopping and logprobs; and logit_bias {"ID": B},
allowed_token_ids, banned_token_ids, stop_token_ids, prompt_logprobs and priority (lower ones
first). The output has a line for each line of the input, in the same order:
  {"id", "prompt", "text", "tokens", "finish_reason": "length" | "stop" | "eos"}
  {"id", "prompt", "samples": [{"text", "tokens", "finish_reason"}, ...]}
  {"id", "error"}

There are "samples" where n is not 1, and "error" for a line that cannot be used; the exit code is
then 2. Unknown fields are an error, or with --pass-through come back in the answer.

Lines of OpenAI's batch files ({"custom_id", "method", "url", "body"}) are read too, and answered as
such. Their model is MODEL as it is written here, or --set server.model_name.

Settings that neither flags nor lines give are those of the model's generation_config.json;
docs/guide/sampling.md has the rules.

An interrupted job continues where it stopped when the same command is run again.)";

inline constexpr const char* kScoreFooter = R"(Example:
  lockstep score EleutherAI/pythia-1.4b \
      --input texts.jsonl --output scores.jsonl

A line of the input is {"text": TEXT}, {"tokens": [ID, ...]}, or a context and its continuation,
{"context": TEXT, "continuation": TEXT}, both of which may be lists of token ids. It may have an
"id". The output has a line for each line of the input, in the same order:
  {"id", "tokens", "logprobs": [null, ...], "top": [null, ...]}
  {"id", "tokens", "logprobs", "top", "sum_logprob", "is_greedy"}
  {"id", "error"}

"logprobs" has the natural logarithm of each token's probability, and "top" the most likely token
at its place. Of a context and a continuation the figures are those of the continuation alone, and
"is_greedy" says whether greedy decoding would have chosen it. The two are tokenized as in
lm-evaluation-harness. A line that cannot be used has an "error"; the exit code is then 2.

An interrupted job continues where it stopped when the same command is run again.)";

inline constexpr const char* kEmbedFooter = R"(Examples:
  lockstep embed EleutherAI/pythia-1.4b --input texts.jsonl --output vectors.npy
  lockstep embed EleutherAI/pythia-1.4b --tp 2 --layer 12 --pooling last \
      --input texts.jsonl

A line of the input is {"text": TEXT} or {"tokens": [ID, ...]}, and may have an "id". The output
has a line for each line of the input, in the same order:
  {"id", "embedding": [...]}
  {"id", "error"}

A line that cannot be used has an "error"; the exit code is then 2. An output whose name ends in
.npy is one array [lines, d_model] of 32-bit floats for NumPy instead; it has no room for lines that
cannot be used, which then end the job.

Layers are counted as in hidden_states of transformers: 0 is the output of the embedding, 1 that of
the first block, the last one is behind the final norm.

An interrupted job continues where it stopped when the same command is run again.)";

inline constexpr const char* kServeFooter = R"(Examples:
  lockstep serve EleutherAI/pythia-1.4b --tp 2
  curl http://127.0.0.1:8000/v1/completions \
      -d '{"prompt": "Once upon a time", "max_tokens": 20}'

Answers POST /v1/completions, /v1/chat/completions and /v1/embeddings as OpenAI's clients expect,
with the extras of vLLM; GET /v1/models, /v1/defaults, /health, /version, /metrics, /tokenizer_info
and /openapi.json; POST /tokenize and /detokenize. A browser finds a page for writing with the model
at /.

Told to stop (Ctrl-C, SIGTERM), it first answers the requests that it has accepted; a second signal
ends it at once. Ranks that die or hang are started again, and their requests go on where they were.

The flags of "Sampling" are the defaults of requests. Where neither they nor the model name a
temperature it is 1, as in OpenAI's API.)";

inline constexpr const char* kCompleteFooter = R"(Examples:
  lockstep complete EleutherAI/pythia-410m
  lockstep complete --url http://127.0.0.1:8000

Each line is continued by the model as it is, and streamed. /set temperature 0.8 sets a control of
the next ones, /more continues the last answer, /again makes another; /help shows all commands.
Ctrl-C ends one answer, Ctrl-D the program. What is piped in is answered line by line.

A model of its own is served by a `lockstep serve` that only this program knows.)";

inline constexpr const char* kTokenizeFooter = R"(Examples:
  echo '{"text": "Hello world"}' | lockstep tokenize ./pythia-70m
  echo '{"tokens": [12092, 1533]}' | lockstep tokenize ./pythia-70m --decode

Reads JSON lines and answers each; those of standard input at once. A line that cannot be used is
answered by {"error": ...}, and the exit code is 2 in the end.)";

inline constexpr const char* kPlanFooter = R"(Examples:
  lockstep plan pythia-12b --tp 8 --dtype bf16
  lockstep plan EleutherAI/pythia-1.4b --tp 3 --json
  lockstep plan configs/aphra-6b.yaml --machine h100 --dtype bf16 --batch 32
  lockstep plan configs/aphra-6b.yaml --machine avx512 \
      --goal "10 tokens/s for 16 users"
  lockstep plan configs/aphra-6b.yaml --machine h100 --dtype bf16 --dp 64 \
      --simulate 1000000 --rate 2000
  lockstep plan configs/pythia-410m.yaml --machine here --fit bench.json \
      --fit-output mine.yaml

Reads config.json, or the model.shape of a configuration, and no weights. With --machine or another
flag of "What to predict" it also predicts memory and times: see docs/guide/planning.md.)";

inline constexpr const char* kBenchFooter = R"(Examples:
  lockstep bench decode configs/pythia-1.4b.yaml --dtype bf16 --tp 2 --threads 1
  lockstep bench serve --url http://127.0.0.1:8000 --concurrency 8
  lockstep bench --help=rounds)";

inline constexpr const char* kBenchDecodeFooter = R"(Examples:
  lockstep bench decode configs/pythia-1.4b.yaml --dtype bf16 --tp 2 --threads 1
  lockstep bench decode ./gpt-j-6b --prompt-tokens 16,1024 --json

Each figure stands beside what the memory of the machine allows, which is measured in the same run.)";

inline constexpr const char* kBenchPrefillFooter = R"(Examples:
  lockstep bench prefill configs/pythia-1.4b.yaml --prompt-tokens 128,512,2000
  lockstep bench prefill ./gpt-j-6b --dtype int8 --tp 2

Each figure stands beside what the arithmetic of the machine allows, which is measured in the same
run.)";

inline constexpr const char* kBenchBatchFooter = R"(Examples:
  lockstep bench batch ./gpt-j-6b --dtype bf16 --batch 1,8,32 --json
  lockstep bench batch configs/pythia-410m.yaml --tp 2 --prompt-tokens 128

Each figure stands beside what the machine allows, which is measured in the same run.)";

// Behind each of these.
inline constexpr const char* kBenchWeightsNote =
    R"(Where the checkpoint of a configuration is not on this machine, random weights of its model.shape
are used: their values do not matter to the time.)";

inline constexpr const char* kBenchCommFooter = R"(Examples:
  lockstep bench comm --tp 2
  mpirun -n 8 --hostfile hosts lockstep bench comm --bytes 8192,65536

Needs two or more ranks, and no model. Each all-reduce stands beside MPI's, and beside itself as it is in
the step of a model: the values were just written, and the caches are full of weights.)";

inline constexpr const char* kBenchScalingFooter = R"(Examples:
  lockstep bench scaling configs/pythia-160m.yaml --dtypes bf16,int8 \
      --ranks 1,2,4
  lockstep bench scaling ./pythia-410m --batch 1,8 --prompt-tokens 16,512 \
      --html scaling.html

Strong scaling has the same batch on all rank counts, weak scaling a batch for each rank. A world of
ranks is started for each rank count, number of stages and dtype, and warms up; a round is all of
them once. Every rank has as many threads at all counts (--threads). For each step and rank the time
is split into matrix products, attention, sums over the ranks, waiting for other ranks, and
everything else. --ranks 4 --stages 1,2 compares ranks that divide every block with stages.

Ctrl-C ends it, and shows what was measured so far. In a world that mpirun or srun has started it
measures that one. docs/guide/scaling.md explains the figures.)";

inline constexpr const char* kBenchCompareFooter = R"(Example:
  lockstep bench compare before.json after.json --fail-on-slower

Compares every figure that both results have for several rounds (--rounds 5). Two figures are
different where a two-sided Mann-Whitney test has p < 0.05 and their medians are 1 % apart.)";

inline constexpr const char* kBenchServeFooter = R"(Examples:
  lockstep bench serve --url http://127.0.0.1:8000 --concurrency 8
  lockstep bench serve --url http://127.0.0.1:8000 --rate 4 --seconds 60 \
      --goodput ttft:500ms,tpot:50ms
  lockstep bench serve --url http://127.0.0.1:8000 --find-rate \
      --goodput ttft:500ms,tpot:50ms
  lockstep bench serve models/shakespeare-neox --concurrency 4 --json r.json

Measures any server with OpenAI's streaming completions; MODEL is then the name of the model, by
default the first that the server names. Latencies and rates are defined as in `vllm bench serve`.
Prompts are random token ids; outputs have the requested length (ignore_eos).

A line of --replay is {"arrival_s": S, "prompt_tokens": N, "output_tokens": M}; "timestamp" in
milliseconds, "prompt" and "tokens" are understood, too.

Ctrl-C ends it, and shows what was measured so far. docs/guide/serving_benchmark.md has the
definitions.)";

inline constexpr const char* kEvalFooter = R"(Examples:
  lockstep eval EleutherAI/pythia-160m,EleutherAI/pythia-410m --tp 2 \
      --tasks lambada_openai,piqa,winogrande,arc_easy,sciq --data ./eval \
      --output results.json
  lockstep eval ./gpt-j-6b --tasks sciq --data ./eval --num-fewshot 5
  lockstep eval EleutherAI/pythia-410m --perplexity book.txt
  lockstep eval EleutherAI/pythia-70m,EleutherAI/pythia-160m \
      --revisions step0,step512,step1000..step143000/2000 \
      --tasks sciq --data ./eval --output sweep.json --html sweep.html \
      --published pythia/evals/pythia-v1

Prompts, scores and standard errors are those of lm-evaluation-harness, and so are the fields of the
results and of --samples. With --num-fewshot the folder has a file of training documents for each
task but lambada_openai; docs/guide/evaluation.md has the names of the files. The results of several
models are {"models": [{...}, ...]}.

--revisions evaluates each of these checkpoints of every model, without starting the ranks anew.
Checkpoints that are missing from the Hugging Face cache or damaged are named and left out; the exit
code is then not 0.

An interrupted job with --output continues where it stopped when the same command is run again.)";

inline constexpr const char* kEnvFooter = R"(Examples:
  lockstep env
  lockstep env --json

Starts no ranks and reads no model. What is not there is named as such.)";

inline constexpr const char* kCompletionFooter = R"(Examples:
  source <(lockstep completion bash)
  autoload -U compinit; compinit; source <(lockstep completion zsh)
  lockstep completion fish | source

Put the line for your shell into its startup file, such as ~/.bashrc.)";

inline constexpr const char* kManualFooter = R"(Examples:
  lockstep manual serve | man -l -
  lockstep manual bench serve > lockstep-bench-serve.1
  lockstep manual --list)";

inline constexpr const char* kTraceFooter = R"(Examples:
  lockstep generate ./pythia-410m --tp 2 --prompt "Once" --trace trace.json
  lockstep trace trace.json

--trace FILE of generate, score, embed, eval, serve and bench writes, when the command ends, what
every rank did, on one clock: the steps, and in them plan, broadcast, products, attention,
all-reduce, waiting, gather and sampling. Each request is a track: queued, prompt, decoding.
ui.perfetto.dev and chrome://tracing show it. docs/guide/tracing.md explains it.)";

}  // namespace lockstep
