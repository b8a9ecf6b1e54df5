#include "evaluation/results/results_json.h"

#include "core/error.h"
#include "core/heartbeat.h"
#include "core/version.h"
#include "evaluation/numbers/sha256.h"
#include "evaluation/numbers/statistics.h"

namespace lockstep {
namespace {

std::string Dump(const OrderedJson& json, int indent = -1) {
  return json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string TextOf(const OrderedJson& target) {
  return target.is_string() ? target.get<std::string>() : Dump(target);
}

// Of a document, by which two runs see that they have asked the same.
struct Hashes {
  std::string document;
  std::string prompt;
  std::string target;

  explicit Hashes(const PlannedDocument& planned)
      : document(Sha256(Dump(planned.document.fields, 2))),
        prompt(Sha256(planned.examples + planned.question.pairs.front().context)),
        target(Sha256(TextOf(planned.question.target))) {}
};

std::string HashOf(const PlannedTask& task) {
  std::string all;
  for (const PlannedDocument& document : task.documents) {
    const Hashes one(document);
    all += one.document + one.prompt + one.target;
    Heartbeat();
  }
  return Sha256(all);
}

OrderedJson MetricsJson(std::string_view name, std::string_view alias, std::int64_t documents,
                        const std::vector<MetricValue>& metrics) {
  OrderedJson json = {{"name", name}, {"alias", alias}, {"sample_len", documents}};
  for (const MetricValue& metric : metrics) {
    json[metric.name + ",none"] = metric.value;
    json[metric.name + "_stderr,none"] =
        metric.error ? OrderedJson(*metric.error) : OrderedJson("N/A");
  }
  return json;
}

OrderedJson ConfigJson(const PlannedTask& task) {
  OrderedJson json = OrderedJson::parse(task.task->config);
  json["target_delimiter"] = " ";
  json["fewshot_delimiter"] = "\n\n";
  json["num_fewshot"] = task.shots;
  json["output_type"] =
      task.task->metrics.front() == Metric::kPerplexity ? "loglikelihood" : "multiple_choice";
  json["repeats"] = 1;
  json["metadata"] = {{"version", 1.0}};
  return json;
}

OrderedJson BetterJson(const std::vector<MetricValue>& metrics) {
  OrderedJson json = OrderedJson::object();
  for (const MetricValue& metric : metrics) json[metric.name] = metric.higher_is_better;
  return json;
}

// The parts of the object that have a member for each task.
struct TaskParts {
  OrderedJson results = OrderedJson::object(), configs = results, versions = results,
              shots = results, better = results, samples = results, hashes = results;

  void Add(const TaskResult& result) {
    const PlannedTask& task = *result.plan;
    const std::string name(task.task->name);
    const std::int64_t documents = std::ssize(result.documents);
    results[name] = MetricsJson(name, name, documents, result.metrics);
    configs[name] = ConfigJson(task);
    versions[name] = 1.0;
    shots[name] = task.shots;
    better[name] = BetterJson(result.metrics);
    samples[name] = {{"original", task.documents_in_file}, {"effective", documents}};
    hashes[name] = HashOf(task);
  }

  void Add(const TextPerplexity& text) {
    const std::string name = "perplexity";
    results[name] = MetricsJson(name, text.plan->file, 1, text.metrics);
    results[name]["loglikelihood"] = text.loglikelihood;
    results[name]["tokens"] = text.plan->tokens;
    results[name]["words"] = text.plan->words;
    results[name]["bytes"] = text.plan->bytes;
    configs[name] = {{"task", name},
                     {"dataset_path", text.plan->file},
                     {"output_type", "loglikelihood_rolling"},
                     {"num_fewshot", 0}};
    versions[name] = 1.0;
    shots[name] = 0;
    better[name] = BetterJson(text.metrics);
    samples[name] = {{"original", 1}, {"effective", 1}};
  }
};

OrderedJson OrNull(const std::string& text) {
  return text.empty() ? OrderedJson() : OrderedJson(text);
}

OrderedJson RunConfig(const EvaluationOptions& options, const EvaluatedModel& model) {
  OrderedJson arguments = {{"pretrained", model.name}, {"dtype", model.dtype}};
  if (!model.revision.empty()) arguments["revision"] = model.revision;
  return {{"model", "lockstep"},
          {"model_args", std::move(arguments)},
          {"model_num_parameters", model.parameters},
          {"model_dtype", model.dtype},
          {"model_revision", OrNull(model.revision)},
          {"model_sha", OrNull(model.commit)},
          {"limit", options.limit ? OrderedJson(*options.limit) : OrderedJson(nullptr)},
          {"bootstrap_iters", kBootstrapRounds},
          {"gen_kwargs", nullptr},
          {"random_seed", 0},
          {"numpy_seed", 1234},
          {"torch_seed", 1234},
          {"fewshot_seed", 1234}};
}

OrderedJson SampleJson(const TaskResult& result, std::size_t index, std::string_view model) {
  const PlannedDocument& planned = result.plan->documents[index];
  const DocumentResult& answered = result.documents[index];
  OrderedJson arguments = OrderedJson::object(), responses = OrderedJson::array(),
              first = responses;
  for (std::size_t i = 0; i < answered.answers.size(); ++i) {
    const TextPair& pair = planned.question.pairs[i];
    arguments[fmt::format("gen_args_{}", i)] = {{"arg_0", planned.examples + pair.context},
                                                {"arg_1", pair.continuation}};
    const Answer& answer = answered.answers[i];
    const OrderedJson given = {Dump(answer.loglikelihood), answer.is_greedy ? "True" : "False"};
    responses.push_back(OrderedJson::array({given}));
    first.push_back(given);
  }
  OrderedJson names = OrderedJson::array();
  for (const MetricValue& metric : result.metrics) names.push_back(metric.name);
  const Hashes hashes(planned);
  OrderedJson json = {{"task", result.plan->task->name},
                      {"model", model},
                      {"doc_id", index},
                      {"doc", planned.document.fields},
                      {"target", TextOf(planned.question.target)},
                      {"arguments", std::move(arguments)},
                      {"resps", std::move(responses)},
                      {"filtered_resps", std::move(first)},
                      {"filter", "none"},
                      {"metrics", std::move(names)},
                      {"doc_hash", hashes.document},
                      {"prompt_hash", hashes.prompt},
                      {"target_hash", hashes.target}};
  for (std::size_t i = 0; i < result.metrics.size(); ++i)
    json[result.metrics[i].name] = answered.values[i];
  return json;
}

}  // namespace

std::string FileNameOf(std::string_view model) {
  constexpr std::string_view kForbidden = "\"<>:/|\\?*[]";
  std::string name;
  bool replaced = false;
  for (const char c : model) {
    const bool bad = kForbidden.find(c) != kForbidden.npos;
    if (!bad)
      name += c;
    else if (!replaced)
      name += "__";
    replaced = bad;
  }
  return name;
}

OrderedJson ResultsJson(const EvaluationResult& result, const EvaluationOptions& options,
                        const EvaluatedModel& model, const EvaluationRun& run) {
  TaskParts parts;
  for (const TaskResult& task : result.tasks) parts.Add(task);
  if (result.text) parts.Add(*result.text);
  return {{"results", std::move(parts.results)},
          {"group_subtasks", OrderedJson::object()},
          {"configs", std::move(parts.configs)},
          {"versions", std::move(parts.versions)},
          {"n-shot", std::move(parts.shots)},
          {"higher_is_better", std::move(parts.better)},
          {"n-samples", std::move(parts.samples)},
          {"config", RunConfig(options, model)},
          {"date", run.start},
          {"lockstep_version", Version()},
          {"lm_eval_version", kHarnessVersion},
          {"max_length", model.context_tokens},
          {"task_hashes", std::move(parts.hashes)},
          {"model_source", "lockstep"},
          {"model_name", model.name},
          {"model_name_sanitized", FileNameOf(model.name)},
          {"system_instruction", nullptr},
          {"system_instruction_sha", nullptr},
          {"fewshot_as_multiturn", nullptr},
          {"chat_template", nullptr},
          {"chat_template_sha", nullptr},
          {"total_evaluation_time_seconds", Dump(run.seconds)}};
}

void WriteSamples(const EvaluationResult& result, std::string_view model,
                  const std::function<void(std::string_view line)>& write) {
  for (const TaskResult& task : result.tasks)
    for (std::size_t i = 0; i < task.documents.size(); ++i) {
      Heartbeat();
      write(Dump(SampleJson(task, i, model)) + "\n");
    }
}

}  // namespace lockstep
