#include "evaluation/tasks/tasks.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "evaluation/tasks/few_shot.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Question Ask(std::string_view task, const char* json) {
  return FindTask(task).ask({.fields = OrderedJson::parse(json), .where = "in.jsonl:3"});
}

std::vector<std::string> Contexts(const Question& question) {
  std::vector<std::string> contexts;
  for (const TextPair& pair : question.pairs) contexts.push_back(pair.context);
  return contexts;
}

std::vector<std::string> Continuations(const Question& question) {
  std::vector<std::string> continuations;
  for (const TextPair& pair : question.pairs) continuations.push_back(pair.continuation);
  return continuations;
}

TEST(EvaluationTasks, LambadaAsksForWhatIsBehindTheLastSpace) {
  const Question question = Ask("lambada_openai", R"({"text": "He said\nyes  again"})");
  EXPECT_THAT(Contexts(question), ElementsAre("He said\nyes "));
  EXPECT_THAT(Continuations(question), ElementsAre(" again"));
  EXPECT_EQ(question.solved, "He said\nyes   again\n\n");
  const Question alone = Ask("lambada_openai", R"({"text": "Alone"})");
  EXPECT_THAT(Contexts(alone), ElementsAre(""));
  EXPECT_THAT(Continuations(alone), ElementsAre(" Alone"));
  EXPECT_THAT(Continuations(Ask("lambada_openai", R"({"text": "end "})")), ElementsAre(" "));
}

TEST(EvaluationTasks, PiqaAsksForASolution) {
  const Question question =
      Ask("piqa", R"({"goal": "Open it", "sol1": "pull", "sol2": "push ", "label": 1})");
  EXPECT_THAT(Contexts(question),
              ElementsAre("Question: Open it\nAnswer:", "Question: Open it\nAnswer:"));
  EXPECT_THAT(Continuations(question), ElementsAre(" pull", " push "));
  EXPECT_EQ(question.right, 1u);
  EXPECT_EQ(question.solved, "Question: Open it\nAnswer: push \n\n");
}

TEST(EvaluationTasks, SciqPutsTheSupportBeforeTheQuestion) {
  const Question question = Ask("sciq", R"({"question": "Who?", "distractor1": "a",
      "distractor2": "b", "distractor3": "c", "correct_answer": "d", "support": " \u2003\nIt. "})");
  EXPECT_EQ(question.pairs[0].context, "It. \nQuestion: Who?\nAnswer:");
  EXPECT_THAT(question.answers, ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(question.right, 3u);
}

TEST(EvaluationTasks, ArcTakesTheQuestionAsItIs) {
  const Question question = Ask(
      "arc_easy", R"({"query": "Question: Q\nAnswer:", "choices": ["x", "y", "z"], "gold": 2})");
  EXPECT_THAT(Continuations(question), ElementsAre(" x", " y", " z"));
  EXPECT_EQ(question.solved, "Question: Q\nAnswer: z\n\n");
}

TEST(EvaluationTasks, WinograndePutsTheOptionsIntoTheContexts) {
  const Question question = Ask("winogrande", R"({"sentence": "A met B and _ left _.\u00a0",
      "option1": "A", "option2": "B", "answer": "2"})");
  EXPECT_THAT(Contexts(question), ElementsAre("A met B and A", "A met B and B"));
  EXPECT_THAT(Continuations(question), ElementsAre(" left _.", " left _."));
  EXPECT_EQ(question.right, 1u);
  EXPECT_EQ(question.solved, "A met B and B left _.\n\n");
  // An example without an answer has nothing behind it.
  EXPECT_EQ(Ask("winogrande",
                R"({"sentence": "It was _", "option1": "A", "option2": "B", "answer": "1"})")
                .solved,
            "It was A");
}

TEST(EvaluationTasks, NameADocumentThatCannotBeUsed) {
  const auto message = [](std::string_view task, const char* json) {
    return MessageOf([&] { Ask(task, json); });
  };
  EXPECT_EQ(message("lambada_openai", R"({"txt": "a"})"),
            "in.jsonl:3: \"text\" is missing; expected a text");
  EXPECT_EQ(message("piqa", R"({"goal": "g", "sol1": "a", "sol2": "b", "label": 2})"),
            "in.jsonl:3: \"label\" is 2; expected an integer from 0 to 1");
  EXPECT_EQ(message("arc_easy", R"({"query": "q", "choices": ["a", 1], "gold": 0})"),
            "in.jsonl:3: \"choices\" is [\"a\",1]; expected a list of two texts or more");
  EXPECT_THAT(message("winogrande", R"({"sentence": "s", "answer": "1"})"),
              HasSubstr("expected one with a _ for what is left out"));
  EXPECT_THAT(message("winogrande", R"({"sentence": "_", "answer": "3"})"),
              HasSubstr("\"answer\" is \"3\"; expected \"1\" or \"2\""));
}

TEST(EvaluationTasks, KnowTheNearestOfAnUnknownName) {
  EXPECT_EQ(MessageOf([] { FindTask("lambada"); }),
            "eval: unknown task \"lambada\"; the nearest is lambada_openai, all are "
            "lambada_openai, piqa, winogrande, arc_easy, sciq");
}

std::vector<Document> Numbered(int count) {
  std::vector<Document> documents;
  for (int i = 0; i < count; ++i)
    documents.push_back(
        {.fields = {{"goal", std::to_string(i)}, {"sol1", "a"}, {"sol2", "b"}, {"label", 0}},
         .where = "train"});
  return documents;
}

// random.Random(1234).sample(range(10), 3) is [7, 1, 0].
TEST(FewShot, LeavesTheDocumentItselfOutOfOneMoreThanIsWanted) {
  const std::vector<Document> pool = Numbered(10);
  FewShot examples(FindTask("piqa"), pool, 2);
  EXPECT_EQ(examples.Next(pool[1]), "Question: 7\nAnswer: a\n\nQuestion: 0\nAnswer: a\n\n");
}

TEST(FewShot, DrawsAgainWhereTooFewAreLeft) {
  std::vector<Document> pool = Numbered(5);
  for (std::size_t i = 1; i < 4; ++i) pool[i] = pool[0];
  FewShot examples(FindTask("piqa"), pool, 1);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(examples.Next(pool[0]), "Question: 4\nAnswer: a\n\n");
}

TEST(FewShot, RefusesMoreThanThereAre) {
  const std::vector<Document> pool = Numbered(3);
  EXPECT_THAT(MessageOf([&] { FewShot(FindTask("piqa"), pool, 3).Next(pool[0]); }),
              HasSubstr("--num-fewshot is 3, and piqa_train.jsonl has 3 documents"));
  EXPECT_EQ(FewShot(FindTask("piqa"), pool, 0).Next(pool[0]), "");
}

class ReadDocumentsTest : public testing::Test {
 protected:
  std::vector<Document> Read(const std::string& lines, const std::string& labels = "") {
    WriteText(folder_ / "d.jsonl", lines);
    WriteText(folder_ / "labels", labels);
    return ReadDocuments({.folder = folder_.path(),
                          .documents = "d.jsonl",
                          .labels = labels.empty() ? "" : "labels",
                          .purpose = "task t"});
  }
  std::string MessageFor(const std::string& lines, const std::string& labels = "") {
    return MessageOf([&] { Read(lines, labels); });
  }

  TemporaryFolder folder_;
};

TEST_F(ReadDocumentsTest, TakesBlankLinesForNothingAndAddsLabels) {
  const auto documents = Read("{\"b\": 1, \"a\": 2}\r\n\n{\"a\": 3}", "1\r\n0\n");
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].fields.dump(), "{\"b\":1,\"a\":2,\"label\":1}");
  EXPECT_THAT(documents[1].where, testing::EndsWith("d.jsonl:3"));
}

TEST_F(ReadDocumentsTest, NamesWhatCannotBeRead) {
  EXPECT_THAT(MessageFor("{}\n[1]\n"), HasSubstr("d.jsonl:2: found [1]; expected an object"));
  EXPECT_THAT(MessageFor("{}\n{\"a\": \n"), HasSubstr("d.jsonl:2"));
  EXPECT_THAT(MessageFor("\n"), HasSubstr("d.jsonl: holds no documents"));
  EXPECT_THAT(MessageFor("{}\n", "x\n"), HasSubstr("labels:1: found \"x\"; expected a label"));
  EXPECT_THAT(MessageFor("{}\n", "1\n0\n"),
              HasSubstr("has 2 labels for the 1 documents of d.jsonl"));
  EXPECT_THAT(
      MessageOf([&] {
        ReadDocuments({.folder = folder_.path(), .documents = "no.jsonl", .purpose = "task t"});
      }),
      HasSubstr("no.jsonl: there is no such file, which task t needs"));
}

}  // namespace
}  // namespace lockstep
