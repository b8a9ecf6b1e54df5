#include "api/line_table.h"

#include "runtime/options/option_table.h"

namespace lockstep {
namespace {

const LineField kId{"id", "a text or an integer",
                    "comes back in the answer; left out: the line's number, from 0, "
                    "blank lines not counted"};
const LineField kTokens{"tokens", "a list of token ids", "instead of the text"};

std::vector<LineField> FieldsOfGenerate() {
  std::vector<LineField> fields = {
      {"prompt", "a text", "what is continued"},
      kTokens,
      kId,
      {"logit_bias", "an object {\"ID\": B}", "B is added to the token's logit, -100 to 100"},
      {"allowed_token_ids", "a list of token ids", "only these tokens may come"},
      {"banned_token_ids", "a list of token ids", "these tokens never come"},
      {"stop_token_ids", "a list of token ids", "the text ends at the first of these tokens"},
      {"include_stop_str_in_output", "true or false",
       "the stop text or token that ends the text is part of it"},
      {"prompt_logprobs", "an integer from 0",
       "log-probabilities of the prompt's tokens, and so many of the likeliest at each"},
      {"priority", "an integer", "lines with lower ones are begun first; 0 where it is left out"}};
  constexpr std::string_view kSampling = "sampling.";
  for (const OptionKey& key : OptionTable())
    if (key.path.starts_with(kSampling))
      fields.push_back({key.path.substr(kSampling.size()), key.expected, key.help});
  return fields;
}

std::vector<LineField> FieldsOfText() { return {{"text", "a text", "what is read"}, kTokens, kId}; }

std::vector<LineField> FieldsOfScore() {
  std::vector<LineField> fields = FieldsOfText();
  fields.push_back({"context", "a text, or a list of token ids",
                    "with `continuation`, instead of the text: what stands before it"});
  fields.push_back({"continuation", "a text, or a list of token ids", "what is scored"});
  return fields;
}

const LineField kAnswerId{"id", "a text or an integer", "as in the input"};
const LineField kError{"error", "a text",
                       "why the line has no answer; then there is nothing else but `id`"};

}  // namespace

const std::vector<LineField>& InputFields(Task task) {
  static const std::vector<LineField> generate = FieldsOfGenerate(), score = FieldsOfScore(),
                                      embed = FieldsOfText();
  return task == Task::kGenerate ? generate : task == Task::kScore ? score : embed;
}

const std::vector<LineField>& AnswerFields(Task task) {
  static const std::vector<LineField> generate = {
      kAnswerId,
      {"prompt", "a text", "as in the input; of `tokens` their text"},
      {"text", "a text", "the continuation"},
      {"tokens", "a list of token ids", "those of the continuation"},
      {"finish_reason", "`length`, `stop` or `eos`",
       "the limit was reached, a stop text or token came, or the model ended the text"},
      {"score", "a number", "with `best_of` or beams: what they were compared by"},
      {"logprobs", "a list of numbers", "with `logprobs`: of each token its log-probability"},
      {"top_logprobs", "a list of lists [[id, logprob], ...]",
       "with `logprobs` above 0: of each token the likeliest ones"},
      {"samples", "a list of objects",
       "where `n` is not 1: an object for each text, with the fields from `text` to "
       "`top_logprobs`, which then stand nowhere else"},
      {"prompt_logprobs", "a list of numbers",
       "with `prompt_logprobs`: of each token of the prompt; null for the first"},
      {"prompt_top_logprobs", "a list of lists [[id, logprob], ...]",
       "with `prompt_logprobs` above 0: the likeliest ones"},
      kError};
  static const std::vector<LineField> score = {
      kAnswerId,
      {"tokens", "a list of token ids", "those of the text, or of the continuation"},
      {"logprobs", "a list of numbers",
       "of each token its natural log-probability; null for a text's first"},
      {"top", "a list of token ids", "the likeliest token at each place"},
      {"sum_logprob", "a number", "of a continuation: the sum of `logprobs`"},
      {"is_greedy", "true or false", "of a continuation: whether every token is the likeliest"},
      kError};
  static const std::vector<LineField> embed = {
      kAnswerId, {"embedding", "a list of numbers", "the vector"}, kError};
  return task == Task::kGenerate ? generate : task == Task::kScore ? score : embed;
}

std::vector<std::string> FieldNames(const std::vector<LineField>& fields) {
  std::vector<std::string> names;
  names.reserve(fields.size());
  for (const LineField& field : fields) names.push_back(field.name);
  return names;
}

}  // namespace lockstep
