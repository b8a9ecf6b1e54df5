#include "evaluation/report/scores.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/files/file.h"
#include "core/heartbeat.h"
#include "evaluation/checkpoints/revisions.h"

namespace lockstep {
namespace {

constexpr std::string_view kErrorEnd = "_stderr";

std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// "pretrained=EleutherAI/pythia-70m,revision=step1000", or the same as an object.
std::string ArgumentOf(const Json& config, const std::string& name) {
  const auto arguments = config.find("model_args");
  if (arguments == config.end()) return "";
  if (arguments->is_object()) return TextOf(*arguments, name.c_str());
  if (!arguments->is_string()) return "";
  const std::string text = "," + arguments->get<std::string>() + ",";
  const std::string key = "," + name + "=";
  const std::size_t at = text.find(key);
  if (at == text.npos) return "";
  const std::size_t begin = at + key.size();
  return text.substr(begin, text.find(',', begin) - begin);
}

// "acc,none" and "ppl" are "acc" and "perplexity".
std::string MetricOf(std::string_view key) {
  std::string name(key.substr(0, key.find(',')));
  const bool is_error = name.ends_with(kErrorEnd);
  if (is_error) name.resize(name.size() - kErrorEnd.size());
  if (name == "ppl") name = "perplexity";
  if (name == "word_ppl" || name == "byte_ppl") name.replace(5, 3, "perplexity");
  return is_error ? name.append(kErrorEnd) : name;
}

bool IsMetric(std::string_view name) {
  return name != "sample_len" && name != "tokens" && name != "words" && name != "bytes" &&
         name != "loglikelihood" && !name.ends_with(kErrorEnd);
}

// Of one task: numbers with today's names.
std::map<std::string, double> NumbersOf(const Json& task) {
  std::map<std::string, double> numbers;
  for (const auto& [key, value] : task.items())
    if (value.is_number()) numbers.emplace(MetricOf(key), value.get<double>());
  return numbers;
}

std::int64_t ShotsOf(const Json& results, const std::string& task) {
  for (const Json* place : {&results, &results["config"]})
    for (const char* key : {"n-shot", "num_fewshot"}) {
      const auto found = place->find(key);
      if (found == place->end()) continue;
      if (found->is_number_integer()) return found->get<std::int64_t>();
      const auto own = found->is_object() ? found->find(task) : found->end();
      if (found->is_object() && own != found->end() && own->is_number_integer())
        return own->get<std::int64_t>();
    }
  return 0;
}

TaskScore Checkpoint(const Json& config) {
  TaskScore score{.model = ArgumentOf(config, "pretrained"),
                  .revision = ArgumentOf(config, "revision")};
  const auto parameters = config.find("model_num_parameters");
  if (parameters != config.end() && parameters->is_number_integer())
    score.parameters = parameters->get<std::int64_t>();
  return score;
}

bool IsResult(const Json& json) {
  const auto is_object = [&](const char* key) {
    return json.contains(key) && json[key].is_object();
  };
  return json.is_object() && is_object("results") && is_object("config");
}

// In a folder there may be other files, too.
enum class Others { kRefuse, kPassOver };

void AddAll(const Json& json, const std::string& where, Others others, PublishedScores& found) {
  const Json* list = &json;
  if (json.is_object() && json.contains("models")) list = &json["models"];
  if (list->is_array()) {
    for (const Json& one : *list) AddAll(one, where, others, found);
    return;
  }
  if (others == Others::kPassOver && !IsResult(json)) return;
  const std::vector<TaskScore> scores = ScoresIn(json, where);
  found.scores.insert(found.scores.end(), scores.begin(), scores.end());
}

void AddFile(const std::filesystem::path& file, Others others, PublishedScores& found) {
  const std::size_t before = found.scores.size();
  AddAll(ParseJson(ReadFile(file), file.string()), file.string(), others, found);
  ++found.files;
  if (found.scores.size() == before) ++found.without_model;
  Heartbeat();
}

std::vector<std::filesystem::path> JsonFilesBelow(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code code;
  std::filesystem::recursive_directory_iterator entry(folder, code), end;
  for (; !code && entry != end; entry.increment(code))
    if (entry->path().extension() == ".json" && IsRegularFile(entry->path()))
      files.push_back(entry->path());
  if (code) throw EnvironmentError("{}: cannot be read: {}", folder.string(), code.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::optional<std::int64_t> TaskScore::step() const { return StepOf(revision); }

std::vector<TaskScore> ScoresIn(const Json& results, std::string_view where) {
  if (!IsResult(results))
    throw BadInput(
        "{}: is no result of lm-evaluation-harness; expected an object with \"results\" and "
        "\"config\"",
        where);
  std::vector<TaskScore> scores;
  const TaskScore checkpoint = Checkpoint(results["config"]);
  if (checkpoint.model.empty()) return scores;
  for (const auto& [task, metrics] : results["results"].items()) {
    if (!metrics.is_object()) continue;
    const auto numbers = NumbersOf(metrics);
    for (const auto& [metric, value] : numbers) {
      if (!IsMetric(metric)) continue;
      TaskScore score = checkpoint;
      score.task = task;
      score.shots = ShotsOf(results, task);
      score.metric = metric;
      score.value = value;
      const auto error = numbers.find(metric + std::string(kErrorEnd));
      if (error != numbers.end()) score.error = error->second;
      scores.push_back(std::move(score));
    }
  }
  return scores;
}

PublishedScores ReadPublished(const std::filesystem::path& place) {
  PublishedScores found;
  if (IsFolder(place)) {
    for (const auto& file : JsonFilesBelow(place)) AddFile(file, Others::kPassOver, found);
    if (found.files == 0)
      throw BadInput("{}: has no files *.json; expected results of lm-evaluation-harness",
                     place.string());
  } else {
    AddFile(place, Others::kRefuse, found);
  }
  return found;
}

std::string CommonName(std::string_view model) {
  constexpr std::string_view kSuite = "pythia-v1.1-";
  std::string name(model.substr(model.rfind('/') + 1));
  if (name.starts_with(kSuite)) name = "pythia-" + name.substr(kSuite.size());
  return name;
}

}  // namespace lockstep
