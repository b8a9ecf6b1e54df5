#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/tasks/documents.h"

namespace lockstep {

// The tasks, each as lm-evaluation-harness has it: which files, what a document asks of a model,
// what is counted.

enum class Metric : std::uint8_t { kPerplexity, kAccuracy, kNormalizedAccuracy };

// "perplexity", "acc", "acc_norm": the harness's names.
std::string_view Name(Metric metric);

// How likely is this text behind that one?
struct TextPair {
  std::string context;
  std::string continuation;
};

struct Question {
  std::vector<TextPair> pairs;       // one, or one for each answer
  std::vector<std::string> answers;  // by whose lengths likelihoods are normalized; or none
  std::size_t right = 0;             // the answer that is
  std::string solved;                // the question with its answer, as an example for others
  OrderedJson target;                // what the harness calls so: a text or a number
};

// Which documents are examples for few-shot questions.
enum class Examples : std::uint8_t {
  kOfTraining,            // those of the training file
  kOfTrainingButThis,     // the same, without any that equals the question's document
  kOfEvaluatedDocuments,  // there is no training file: the evaluated ones, this one too
};

struct EvaluationTask {
  std::string_view name;
  std::string_view documents;  // file names
  std::string_view labels;
  std::string_view training;
  std::string_view training_labels;
  Examples examples;
  std::vector<Metric> metrics;
  Question (*ask)(const Document& document);  // throws BadInput naming the document
  std::string_view config;                    // the harness's configuration of it, as JSON
};

std::span<const EvaluationTask> EvaluationTasks();

// Throws BadInput naming the nearest for a name that is none of them.
const EvaluationTask& FindTask(std::string_view name);

}  // namespace lockstep
