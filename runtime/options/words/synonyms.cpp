#include "runtime/options/words/synonyms.h"

#include <algorithm>
#include <utility>

namespace lockstep {
namespace {

using Words = std::pair<std::string_view, std::string_view>;

// Elsewhere, here. A name may stand here more than once: for a flag, a key, a field of a line.
constexpr Words kSame[] = {
    // How many tokens, and where they end.
    {"max_tokens", "max_new_tokens"},
    {"max_completion_tokens", "max_new_tokens"},
    {"n_predict", "max_new_tokens"},
    {"predict", "max_new_tokens"},
    {"num_predict", "max_new_tokens"},
    {"min_new_tokens", "min_tokens"},
    {"stop_strings", "stop"},
    {"stop_sequences", "stop"},
    // How they are chosen.
    {"temp", "temperature"},
    {"num_return_sequences", "n"},
    {"beam_width", "num_beams"},
    {"suppress_tokens", "banned_token_ids"},
    {"random_seed", "seed"},
    // The text.
    {"input_ids", "tokens"},
    {"prompt_token_ids", "tokens"},
    // The model.
    {"model_path", "model"},
    {"model_id", "model"},
    {"model_name_or_path", "model"},
    {"model_name_or_path", "path"},
    {"tokenizer_path", "tokenizer"},
    {"torch_dtype", "dtype"},
    // Where it runs.
    {"tensor_parallel_size", "tp"},
    {"tp_size", "tp"},
    {"pipeline_parallel_size", "pp"},
    {"pp_size", "pp"},
    {"data_parallel_size", "dp"},
    {"dp_size", "dp"},
    {"n_threads", "threads"},
    {"num_threads", "threads"},
    {"max_num_seqs", "max_sequences"},
    {"max_num_batched_tokens", "max_step_tokens"},
    {"enable_prefix_caching", "prefix_cache"},
};

constexpr Words kAdvice[] = {
    {"max_length",
     "it counts the prompt too; max_new_tokens (--max-new-tokens) counts what is generated"},
    {"min_length", "it counts the prompt too; min_tokens (--min-tokens) counts what is generated"},
    {"do_sample", "temperature (--temperature) above 0 samples, and 0 takes the likeliest token"},
    {"greedy", "temperature (--temperature) 0 takes the likeliest token, and is the default"},
    {"repeat_penalty",
     "repetition_penalty (--repetition-penalty) is the same over the whole text, not the last 64 "
     "tokens"},
    {"repeat_last_n", "repetition_penalty (--repetition-penalty) counts the whole text"},
    {"use_beam_search", "num_beams (--num-beams) searches with so many beams"},
    {"bad_words_ids", "banned_token_ids of a line holds token ids that are never generated"},
    {"no_repeat_ngram_size", "there is nothing like it; see repetition_penalty"},
    {"reverse_prompt", "the text ends before a --stop TEXT"},
    {"r", "the text ends before a --stop TEXT"},
    {"revision", "write it behind the model's name: --model org/name@REVISION"},
    {"file", "--prompt-file FILE reads a prompt, --input FILE.jsonl many"},
    {"f", "--prompt-file FILE reads a prompt, --input FILE.jsonl many"},
    {"max_model_len", "the context is the model's"},
    {"ctx_size", "the context is the model's"},
    {"c", "the context is the model's"},
    {"gpu_layers", "--device cuda computes all of the model on GPUs"},
    {"n_gpu_layers", "--device cuda computes all of the model on GPUs"},
    {"ngl", "--device cuda computes all of the model on GPUs"},
    {"load_in_8bit", "--dtype int8 quantises the weights while they are loaded"},
    {"load_in_4bit", "--dtype int4 quantises the weights while they are loaded"},
    {"quantization",
     "--dtype int8 or int4, or fp8 on GPUs, quantises the weights while they are loaded"},
    {"kv_cache_dtype", "--set model.cache_dtype=bf16, int8 or fp8"},
    {"cache_type_k", "--set model.cache_dtype=bf16, int8 or fp8"},
    {"batch_size", "--set engine.max_sequences=N, or engine.max_step_tokens"},
    {"b", "--set engine.max_sequences=N, or engine.max_step_tokens"},
    {"trust_remote_code", "no code of a model is ever run"},
    {"echo", "the answer to a line of --input has its prompt; prompt_logprobs has what is likely"},
    {"stream", "--prompt is answered as the text comes"},
};

}  // namespace

std::string_view SameAs(std::string_view name, const std::vector<std::string>& known) {
  for (const auto& [elsewhere, here] : kSame)
    if (name == elsewhere && std::find(known.begin(), known.end(), here) != known.end())
      return here;
  return "";
}

std::string_view AdviceOn(std::string_view name) {
  for (const auto& [elsewhere, advice] : kAdvice)
    if (name == elsewhere) return advice;
  return "";
}

std::string AdviceOr(std::string_view name, const std::string& otherwise) {
  const std::string_view advice = AdviceOn(name);
  return advice.empty() ? otherwise : std::string(advice);
}

std::string AsInFiles(std::string_view flag) {
  std::string name(flag.substr(std::min(flag.find_first_not_of('-'), flag.size())));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace lockstep
