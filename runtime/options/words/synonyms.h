#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// What vLLM, SGLang, llama.cpp, transformers and OpenAI call the things that have other names here.
// Names are written as in files ("max_new_tokens"), for flags ("--max-new-tokens"), keys
// ("sampling.max_new_tokens") and fields of a line alike.

// What is called so here and means exactly the same, among `known`; "" if there is nothing.
std::string_view SameAs(std::string_view name, const std::vector<std::string>& known);

// What to do here, where nothing means quite the same ("temperature 0 is greedy, ..."); "" if there
// is nothing to say.
std::string_view AdviceOn(std::string_view name);

// The advice, or else what a message says where there is none.
std::string AdviceOr(std::string_view name, const std::string& otherwise);

// "--max-tokens" and "max-tokens" as "max_tokens".
std::string AsInFiles(std::string_view flag);

}  // namespace lockstep
