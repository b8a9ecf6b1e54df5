#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "runtime/generation_config.h"
#include "runtime/options/option_table.h"
#include "runtime/options/option_types.h"
#include "text/text_request.h"

namespace lockstep {
namespace {

// transformers' names of what are keys here.
constexpr std::array<std::pair<const char*, const char*>, 10> kKeys = {
    {{"max_new_tokens", "sampling.max_new_tokens"},
     {"min_new_tokens", "sampling.min_tokens"},
     {"stop_strings", "sampling.stop"},
     {"top_k", "sampling.top_k"},
     {"top_p", "sampling.top_p"},
     {"min_p", "sampling.min_p"},
     {"repetition_penalty", "sampling.repetition_penalty"},
     {"num_beams", "sampling.num_beams"},
     {"length_penalty", "sampling.length_penalty"},
     {"early_stopping", "sampling.early_stopping"}}};

// What changes the text in transformers and has nothing like it here, with the value that does
// nothing; null does nothing either.
const std::array<std::pair<const char*, Json>, 23>& Unsupported() {
  static const std::array<std::pair<const char*, Json>, 23> table = {{
      {"min_length", 0},
      {"max_time", nullptr},
      {"typical_p", 1.0},
      {"top_h", nullptr},
      {"epsilon_cutoff", 0.0},
      {"eta_cutoff", 0.0},
      {"encoder_repetition_penalty", 1.0},
      {"no_repeat_ngram_size", 0},
      {"encoder_no_repeat_ngram_size", 0},
      {"renormalize_logits", false},
      {"forced_bos_token_id", nullptr},
      {"forced_eos_token_id", nullptr},
      {"remove_invalid_values", false},
      {"exponential_decay_length_penalty", nullptr},
      {"begin_suppress_tokens", Json::array()},
      {"sequence_bias", nullptr},
      {"token_healing", false},
      {"guidance_scale", 1.0},
      {"watermarking_config", nullptr},
      {"num_return_sequences", 1},
      {"num_beam_groups", 1},
      {"diversity_penalty", 0.0},
      {"penalty_alpha", 0.0},
  }};
  return table;
}

TextRequest RequestOf(const SamplingOptions& sampling) {
  TextRequest request;
  request.sampling = sampling.params;
  request.stop = sampling.stop;
  request.best_of = sampling.best_of;
  request.logprobs = sampling.logprobs;
  return request;
}

bool IsListOfIds(const Json& word) {
  return word.is_array() && !word.empty() &&
         std::ranges::all_of(word, [](const Json& id) { return id.is_number_integer(); });
}

class Defaults {
 public:
  Defaults(const GenerationConfig& config, std::int64_t sampled_vocab, Options& options)
      : config_(config),
        sampled_vocab_(sampled_vocab),
        options_(options),
        user_searches_(options.sampling.beams.num_beams > 1) {}

  AppliedDefaults Apply() {
    const bool samples = FindBool(config_.values, "do_sample", config_.where).value_or(false);
    SetTemperature(samples);
    for (const auto& [name, key] : kKeys)
      if (const Json* value = Find(name)) Set(name, key, *value);
    // What transformers samples with where the file does not say it.
    if (samples && Find("top_k") == nullptr) Set("top_k", "sampling.top_k", 50);
    SetMaxLength();
    Ban("suppress_tokens", Ids("suppress_tokens"));
    BanWords();
    for (const auto& [name, neutral] : Unsupported())
      if (Find(name) != nullptr && *Find(name) != neutral) applied_.unsupported.emplace_back(name);
    MakeRoom();
    return std::move(applied_);
  }

 private:
  const Json* Find(const char* name) const {
    const auto found = config_.values.find(name);
    return found == config_.values.end() || found->is_null() ? nullptr : &*found;
  }
  std::string Place(const char* name) const {
    return fmt::format("{}: \"{}\"", config_.where, name);
  }

  // Where nothing is sampled it has no effect, but is still looked at.
  void SetTemperature(bool samples) {
    const Json* given = Find("temperature");
    const Json value = given == nullptr ? Json(1.0) : *given;
    if (samples) return Set("temperature", "sampling.temperature", value);
    Options ignored;
    FindOption("sampling.temperature", config_.where)
        .set(ignored, JsonValue(value, Place("temperature")));
  }

  void Set(const char* name, const char* path, const Json& value) {
    const OptionKey& key = FindOption(path, config_.where);
    Options changed = options_;
    key.set(changed, JsonValue(value, Place(name)));
    if (options_.stated.contains(path) || key.value(changed) == key.value(options_)) return;
    if (ConflictsWithUser(changed.sampling, name)) return;
    options_ = std::move(changed);
    const auto field = std::string_view(path).substr(std::string_view("sampling.").size());
    applied_.used.push_back(fmt::format("{} {}", field, key.value(options_)));
  }

  // A user who asks for beams gets them, without what beam search does not have.
  bool ConflictsWithUser(const SamplingOptions& sampling, const char* name) {
    if (!user_searches_ || BeamConflict(RequestOf(options_.sampling)) != nullptr) return false;
    if (BeamConflict(RequestOf(sampling)) == nullptr) return false;
    applied_.unsupported.push_back(fmt::format("{} (together with num_beams)", name));
    return true;
  }

  // In transformers it ends a text where max_new_tokens does not.
  void SetMaxLength() {
    const Json* value = Find("max_length");
    if (value == nullptr) return;
    const IntegerType type{1, IntegerType::kEndless};
    const std::int64_t length = type.Parse(JsonValue(*value, Place("max_length")));
    if (options_.stated.contains("sampling.max_new_tokens")) return;
    options_.sampling.max_length = length;
    applied_.used.push_back(fmt::format("max_length {}", length));
  }

  std::vector<std::int64_t> Ids(const char* name) const {
    const Json* list = Find(name);
    if (list == nullptr) return {};
    if (!list->is_array())
      throw BadInput("{} is {}; expected a list of token ids", Place(name), ShownJson(*list));
    const IntegerType any{-IntegerType::kEndless, IntegerType::kEndless};
    std::vector<std::int64_t> ids;
    for (const Json& id : *list)
      ids.push_back(any.Parse(JsonValue(id, fmt::format("{}[{}]", Place(name), ids.size()))));
    return ids;
  }

  // Words of one token are tokens that are banned. An end token is never banned, as in
  // transformers.
  void BanWords() {
    constexpr const char* kName = "bad_words_ids";
    const Json* words = Find(kName);
    std::vector<std::int64_t> ids;
    bool longer = false;
    if (words != nullptr && (!words->is_array() || !std::ranges::all_of(*words, IsListOfIds)))
      throw BadInput("{} is {}; expected a list of lists of token ids", Place(kName),
                     ShownJson(*words));
    for (const Json& word : words == nullptr ? Json::array() : *words) {
      const bool single = word.size() == 1;
      longer = longer || !single;
      if (!single) continue;
      const auto id = word[0].get<std::int64_t>();
      const auto& ends = config_.end_tokens;
      if (std::find(ends.begin(), ends.end(), id) == ends.end()) ids.push_back(id);
    }
    Ban(kName, ids);
    if (longer) applied_.unsupported.push_back(fmt::format("{} of several tokens", kName));
  }

  void Ban(const char* name, const std::vector<std::int64_t>& ids) {
    SamplingOptions changed = options_.sampling;
    std::vector<std::int32_t>& banned = changed.params.banned_tokens;
    for (const std::int64_t id : ids)
      if (id >= 0 && id < sampled_vocab_) banned.push_back(static_cast<std::int32_t>(id));
    const std::size_t added = banned.size() - options_.sampling.params.banned_tokens.size();
    if (added == 0 || ConflictsWithUser(changed, name)) return;
    options_.sampling = std::move(changed);
    applied_.used.push_back(fmt::format("{} ({} ids)", name, added));
  }

  // The model's defaults give way to what the user has set, and to each other.
  void MakeRoom() {
    SamplingOptions& sampling = options_.sampling;
    if (IsOfTheModel("sampling.min_tokens"))
      sampling.params.min_tokens =
          std::min(sampling.params.min_tokens, sampling.params.max_new_tokens);
    const char* conflict = BeamConflict(RequestOf(sampling));
    if (user_searches_ || sampling.beams.num_beams == 1 || conflict == nullptr) return;
    std::erase(applied_.used, fmt::format("num_beams {}", sampling.beams.num_beams));
    applied_.unsupported.push_back(fmt::format("num_beams (together with {})", conflict));
    sampling.beams.num_beams = 1;
  }

  bool IsOfTheModel(const char* path) const {
    const auto found = options_.stated.find(path);
    return found != options_.stated.end() && found->second.starts_with(config_.where + ": ");
  }

  const GenerationConfig& config_;
  std::int64_t sampled_vocab_;
  Options& options_;
  bool user_searches_;
  AppliedDefaults applied_;
};

std::string Joined(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
  return joined;
}

}  // namespace

AppliedDefaults ApplyDefaults(const GenerationConfig& config, std::int64_t sampled_vocab,
                              Options& options) {
  AppliedDefaults applied = Defaults(config, sampled_vocab, options).Apply();
  Validate(options.sampling.params, "sampling");
  return applied;
}

void ReportDefaults(const GenerationConfig& config, const AppliedDefaults& applied) {
  if (!applied.used.empty())
    LogInfo("{}: {} where nothing else is said (--generation-config none: without)", config.where,
            Joined(applied.used));
  if (!applied.unsupported.empty())
    LogWarning("{}: not supported and without effect: {} (--generation-config none leaves all out)",
               config.where, Joined(applied.unsupported));
}

}  // namespace lockstep
