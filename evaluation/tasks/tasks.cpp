#include "evaluation/tasks/tasks.h"

#include <fmt/ranges.h>

#include "core/error.h"
#include "runtime/options/words/nearest.h"
#include "text/python_text.h"

namespace lockstep {
namespace {

// Between a question and its answer, and behind each example.
constexpr std::string_view kBeforeAnswer = " ";
constexpr std::string_view kBehindExample = "\n\n";

std::string Solved(std::string_view question, std::string_view answer) {
  return fmt::format("{}{}{}{}", question, kBeforeAnswer, answer, kBehindExample);
}

// The answers behind one context.
Question MultipleChoice(const std::string& context, std::vector<std::string> answers,
                        std::int64_t right) {
  Question question;
  for (const std::string& answer : answers)
    question.pairs.push_back({context, std::string(kBeforeAnswer) + answer});
  question.right = static_cast<std::size_t>(right);
  question.solved = Solved(context, answers[question.right]);
  question.answers = std::move(answers);
  question.target = right;
  return question;
}

// The last word of a passage; words are what single spaces part.
Question AskLambada(const Document& document) {
  const std::string text = document.Text("text");
  const auto space = text.rfind(' ');
  const std::string context = space == text.npos ? "" : text.substr(0, space);
  const std::string word = " " + (space == text.npos ? text : text.substr(space + 1));
  return {.pairs = {{context, word}},
          .answers = {},
          .right = 0,
          .solved = Solved(context, word),
          .target = word};
}

Question AskPiqa(const Document& document) {
  return MultipleChoice(fmt::format("Question: {}\nAnswer:", document.Text("goal")),
                        {document.Text("sol1"), document.Text("sol2")}, document.Index("label", 2));
}

Question AskArc(const Document& document) {
  std::vector<std::string> answers = document.Texts("choices");
  const std::int64_t right = document.Index("gold", std::ssize(answers));
  return MultipleChoice(document.Text("query"), std::move(answers), right);
}

Question AskSciq(const Document& document) {
  const std::string support = document.Text("support");
  return MultipleChoice(fmt::format("{}\nQuestion: {}\nAnswer:", WithoutSpacesAtBeginning(support),
                                    document.Text("question")),
                        {document.Text("distractor1"), document.Text("distractor2"),
                         document.Text("distractor3"), document.Text("correct_answer")},
                        3);
}

// The answers stand in the contexts; what follows on them is the same.
Question AskWinogrande(const Document& document) {
  const std::string sentence = document.Text("sentence");
  const std::string answer = document.Text("answer");
  const auto gap = sentence.find('_');
  if (gap == sentence.npos)
    throw BadInput("{}: \"sentence\" is {}; expected one with a _ for what is left out",
                   document.where, ShownJson(sentence));
  if (answer != "1" && answer != "2")
    throw BadInput("{}: \"answer\" is {}; expected \"1\" or \"2\"", document.where,
                   ShownJson(answer));
  const std::string rest{WithoutSpacesAround(std::string_view(sentence).substr(gap + 1))};
  Question question;
  for (const char* option : {"option1", "option2"}) {
    question.answers.push_back(sentence.substr(0, gap) + document.Text(option));
    question.pairs.push_back({question.answers.back(), std::string(kBeforeAnswer) + rest});
  }
  question.right = answer == "1" ? 0 : 1;
  const std::string& context = question.answers[question.right];
  question.solved = rest.empty() ? context : Solved(context, rest);
  question.target = rest;
  return question;
}

}  // namespace

std::string_view Name(Metric metric) {
  switch (metric) {
    case Metric::kPerplexity: return "perplexity";
    case Metric::kAccuracy: return "acc";
    case Metric::kNormalizedAccuracy: return "acc_norm";
  }
  return "?";
}

std::span<const EvaluationTask> EvaluationTasks() {
  static const std::vector<EvaluationTask> tasks = {
      {"lambada_openai",
       "lambada_openai_test.jsonl",
       "",
       "",
       "",
       Examples::kOfEvaluatedDocuments,
       {Metric::kPerplexity, Metric::kAccuracy},
       AskLambada,
       R"({"task": "lambada_openai", "dataset_path": "EleutherAI/lambada_openai", "dataset_name": "default", "test_split": "test", "doc_to_text": "{{text.split(' ')[:-1]|join(' ')}}", "doc_to_target": "{{' '+text.split(' ')[-1]}}"})"},
      {"piqa",
       "piqa_valid.jsonl",
       "piqa_valid-labels.lst",
       "piqa_train.jsonl",
       "piqa_train-labels.lst",
       Examples::kOfTrainingButThis,
       {Metric::kAccuracy, Metric::kNormalizedAccuracy},
       AskPiqa,
       R"({"task": "piqa", "dataset_path": "baber/piqa", "training_split": "train", "validation_split": "validation", "doc_to_text": "Question: {{goal}}\nAnswer:", "doc_to_target": "label", "doc_to_choice": "{{[sol1, sol2]}}"})"},
      {"winogrande",
       "winogrande_xl_validation.jsonl",
       "",
       "winogrande_xl_train.jsonl",
       "",
       Examples::kOfTrainingButThis,
       {Metric::kAccuracy},
       AskWinogrande,
       R"({"task": "winogrande", "dataset_path": "allenai/winogrande", "dataset_name": "winogrande_xl", "training_split": "train", "validation_split": "validation"})"},
      {"arc_easy",
       "arc_easy_test.jsonl",
       "",
       "arc_easy_train.jsonl",
       "",
       Examples::kOfTraining,
       {Metric::kAccuracy, Metric::kNormalizedAccuracy},
       AskArc,
       R"({"task": "arc_easy", "dataset_path": "allenai/ai2_arc", "dataset_name": "ARC-Easy", "training_split": "train", "test_split": "test", "doc_to_text": "query", "doc_to_target": "gold", "doc_to_choice": "choices"})"},
      {"sciq",
       "sciq_validation.jsonl",
       "",
       "sciq_train.jsonl",
       "",
       Examples::kOfTraining,
       {Metric::kAccuracy, Metric::kNormalizedAccuracy},
       AskSciq,
       R"({"task": "sciq", "dataset_path": "allenai/sciq", "training_split": "train", "test_split": "test", "doc_to_text": "{{support.lstrip()}}\nQuestion: {{question}}\nAnswer:", "doc_to_target": 3, "doc_to_choice": "{{[distractor1, distractor2, distractor3, correct_answer]}}"})"}};
  return tasks;
}

const EvaluationTask& FindTask(std::string_view name) {
  std::vector<std::string> names;
  std::string nearest;
  for (const EvaluationTask& task : EvaluationTasks()) {
    if (task.name == name) return task;
    names.emplace_back(task.name);
    if (!name.empty() && task.name.starts_with(name)) nearest = task.name;
  }
  if (nearest.empty()) nearest = CloseName(name, names);
  if (!nearest.empty()) nearest = fmt::format("the nearest is {}, ", nearest);
  throw BadInput("eval: unknown task {}; {}all are {}", ShownJson(std::string(name)), nearest,
                 fmt::join(names, ", "));
}

}  // namespace lockstep
