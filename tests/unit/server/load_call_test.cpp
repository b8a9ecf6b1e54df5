// POST /v1/load without ranks: what is looked at before, and what clients are told.
#include "server/weights/load_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "api/openai/api_error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "server/routes.h"
#include "tests/unit/server/served_model.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;

// Keeps what it is asked for until the test ends it.
struct HeldLoader : WeightLoader {
  void Load(const LoadWish& wish, OnLoaded on_end_in) override {
    checkpoint = wish.checkpoint;
    seconds = std::chrono::duration<double>(wish.until - LoadWish::Clock::now()).count();
    on_end = std::move(on_end_in);
  }
  std::string checkpoint;
  double seconds = 0.0;  // that it has
  OnLoaded on_end;
};

class LoadTest : public ServedModel {
 protected:
  LoadTest() {
    arguments_.options.model.path = (SourceFolder() / "models/shakespeare-neox").string();
    demo_ = OpenModel(arguments_.options);
    demo_tokenizer_.emplace(OpenTokenizer(arguments_.options, demo_));
    checkpoints_.emplace(arguments_, demo_.spec, *demo_tokenizer_);
    serving_.emplace(Service::Parts{.queue = loop_,
                                    .tokenizer = *demo_tokenizer_,
                                    .spec = demo_.spec,
                                    .defaults = defaults_,
                                    .model = "first",
                                    .checkpoints = &*checkpoints_,
                                    .loader = &loader_});
    std::filesystem::copy(arguments_.options.model.path, Other());
  }

  std::string Other() const { return (scratch_ / "other").string(); }
  std::unique_ptr<LoadCall> Begin(const std::string& body) {
    return serving_->BeginLoad(body, [this] { ++notified_; });
  }
  std::unique_ptr<LoadCall> BeginWith(const std::string& model) {
    return Begin(DumpJson({{"model", model}}));
  }
  // The status, and the message, which names no file of the server but what the client has said.
  int Refusal(const std::function<void()>& call, const char* message) {
    try {
      call();
    } catch (const ApiError& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
      for (const char* file : {"config.json", "tokenizer.json", "safetensors", "hub", "snapshots"})
        EXPECT_THAT(error.what(), Not(HasSubstr(file)));
      return error.status();
    }
    return 200;
  }
  int StatusOf(const std::string& model, const char* message) {
    return Refusal([&] { BeginWith(model); }, message);
  }
  std::string Served() {
    return ParseJson(serving_->Models(), "models")["data"][0]["id"].get<std::string>();
  }

  const TemporaryFolder scratch_;
  Arguments arguments_;
  ModelFiles demo_;
  std::optional<Tokenizer> demo_tokenizer_;
  std::optional<Checkpoints> checkpoints_;
  HeldLoader loader_;
  std::optional<Service> serving_;
  int notified_ = 0;
};

TEST_F(LoadTest, AnswersWhenTheWeightsAreThere) {
  const auto call = BeginWith(Other());
  EXPECT_EQ(loader_.checkpoint, Other());
  EXPECT_FALSE(call->ended());
  EXPECT_EQ(Served(), "first");
  loader_.on_end({.seconds = 2.5});
  EXPECT_EQ(notified_, 1);
  ASSERT_TRUE(call->ended());
  const Json answer = ParseJson(call->Answer(), "answer");
  EXPECT_EQ(answer["model"], Other());
  EXPECT_EQ(answer["checkpoint"], Other());
  EXPECT_EQ(answer["read_seconds"], 2.5);
  EXPECT_EQ(Served(), Other());
  EXPECT_THAT(serving_->MetricsText(),
              HasSubstr("lockstep:checkpoint_info{model_name=\"" + Other() + "\",checkpoint=\""));
  EXPECT_NO_THROW(serving_->ReadCompletion(DumpJson({{"prompt", "a"}, {"model", Other()}})));
}

TEST_F(LoadTest, LeavesTheNameThatTheUserHasGiven) {
  arguments_.options.server.model_name = "bard";
  const auto call = BeginWith(Other());
  loader_.on_end({});
  EXPECT_EQ(ParseJson(call->Answer(), "answer")["model"], "bard");
  const Json model = ParseJson(serving_->Models(), "models")["data"][0];
  EXPECT_EQ(model["id"], "bard");
  EXPECT_EQ(model["root"], Other());
}

TEST_F(LoadTest, TakesTheDefaultsOfTheOtherCheckpoint) {
  WriteText(Other() + "/generation_config.json",
            R"({"do_sample": true, "temperature": 0.25, "eos_token_id": 7})");
  const auto call = BeginWith(Other());
  loader_.on_end({});
  EXPECT_EQ(ParseJson(serving_->Defaults(), "defaults")["sampling"]["temperature"], 0.25);
  EXPECT_EQ(ParseJson(serving_->TokenizerInfo(), "info")["eos_token_id"], 7);
}

// It stands in answers and in lines of logs.
TEST_F(LoadTest, TakesNoNameWithControlCharacters) {
  EXPECT_EQ(StatusOf("a\nb", "without control characters"), 400);
  EXPECT_EQ(StatusOf("a\x7f", "without control characters"), 400);
}

TEST_F(LoadTest, IsOneAtATime) {
  {
    const auto call = BeginWith(Other());
    EXPECT_EQ(StatusOf(Other(), "other weights are being loaded"), 409);
  }
  EXPECT_EQ(StatusOf(Other(), "being loaded"), 409) << "its client has left, and it goes on";
  loader_.on_end({.error = EnvironmentError("no room in /sys/fs/cgroup")});
  EXPECT_EQ(notified_, 0);
  EXPECT_EQ(Served(), "first");
  EXPECT_EQ(StatusOf((scratch_ / "missing").string(), "is no checkpoint"), 404);
  const auto call = BeginWith(Other());
  loader_.on_end({});
  EXPECT_EQ(Served(), Other());
}

TEST_F(LoadTest, SaysInItsOwnWordsWhyItCameToNothing) {
  const auto ended_with = [&](const Error& error) {
    const auto call = BeginWith(Other());
    loader_.on_end({.error = error});
    return Refusal([&] { call->Answer(); }, "the weights are those before");
  };
  EXPECT_EQ(ended_with(BadInput("/hub/model.safetensors: short")), 400);
  EXPECT_EQ(ended_with(EnvironmentError("12 GB are free in /hub")), 503);
  EXPECT_EQ(ended_with(Error(ExitCode::kRankFailure, "ranks have ended meanwhile")), 503);
  EXPECT_EQ(ended_with(Error(ExitCode::kInterrupted, "stopped")), 503);
  EXPECT_EQ(ended_with(Error(ExitCode::kInternal, "/hub/a.cpp:5")), 500);
  EXPECT_EQ(Served(), "first");
}

TEST_F(LoadTest, TellsHowLongItMayWaitForTextsThatHaveBegun) {
  const auto seconds_of = [&](const Json& timeout) {
    const auto call = Begin(DumpJson({{"model", Other()}, {"timeout_s", timeout}}));
    loader_.on_end({});
    return loader_.seconds;
  };
  BeginWith(Other());
  EXPECT_GT(loader_.seconds, 0.0);
  EXPECT_LE(loader_.seconds, 60.0);
  loader_.on_end({});
  EXPECT_LE(seconds_of(nullptr), 60.0);
  EXPECT_GT(seconds_of(5000), 60.0);
  EXPECT_LE(seconds_of(5000), 5000.0);
  EXPECT_LE(seconds_of(0), 0.0);
  EXPECT_LE(seconds_of(0.5), 0.5);
  for (const Json& wrong :
       {Json(-1), Json(86401), Json("5"), Json(true), Json::array(), Json(1e300)})
    EXPECT_EQ(Refusal(
                  [&] {
                    Begin(DumpJson({{"model", Other()}, {"timeout_s", wrong}}));
                  },
                  "expected seconds from 0 to 86400"),
              400)
        << wrong;
}

TEST_F(LoadTest, SaysThatTheTextsInWorkHaveTakenTooLong) {
  const auto call = BeginWith(Other());
  loader_.on_end(TooLate());
  EXPECT_EQ(Refusal([&] { call->Answer(); }, "have not ended within timeout_s"), 503);
  EXPECT_EQ(Refusal([&] { call->Answer(); }, "the weights are those before"), 503);
  EXPECT_EQ(Served(), "first");
}

TEST_F(LoadTest, RefusesWhatCannotTakeThePlaceOfTheWeights) {
  EXPECT_EQ(StatusOf("nobody/nothing@main", "is no checkpoint that this server has"), 404);
  EXPECT_EQ(StatusOf("/etc/passwd", "is no checkpoint"), 404);
  EXPECT_EQ(StatusOf((SourceFolder() / "models/shakespeare-gptj").string(), "same shape"), 400);
  const std::string whole = ReadFile(Other() + "/tokenizer.json");
  Json other = ParseJson(whole, "tokenizer.json");
  auto& merges = other["model"]["merges"];
  std::swap(merges[merges.size() - 1], merges[merges.size() - 2]);
  WriteText(Other() + "/tokenizer.json", DumpJson(other));
  EXPECT_EQ(StatusOf(Other(), "its tokenizer makes other tokens"), 400);
  WriteText(Other() + "/tokenizer.json", "{");
  EXPECT_EQ(StatusOf(Other(), "its files are not what they should be"), 400);
  WriteText(Other() + "/tokenizer.json", whole);
  WriteText(Other() + "/config.json", "{}");
  EXPECT_EQ(StatusOf(Other(), "its files are not what they should be"), 400);
}

TEST_F(LoadTest, RefusesWhatIsNoRequest) {
  for (const char* body : {"", "[]", "{}", R"({"model": 5})", R"({"model": ""})",
                           R"({"model": null})", R"({"model": "a/b", "path": "c"})"})
    EXPECT_EQ(Refusal([&] { Begin(body); }, ""), 400) << body;
}

TEST_F(LoadTest, IsAllowedByTheUserAlone) {
  EXPECT_EQ(Refusal([&] { service_.BeginLoad(R"({"model": "a/b"})", {}); }, "--allow-load"), 403);
  EXPECT_TRUE(NeedsKey("/v1/load"));
  EXPECT_TRUE(IsLoad("POST", "/v1/load?x"));
  EXPECT_FALSE(IsLoad("GET", "/v1/load"));
  EXPECT_EQ(AnswerPlain(service_, "GET", "/v1/load", "").status, 405u);
  serving_->Drain();
  EXPECT_EQ(StatusOf(Other(), "shutting down"), 503);
}

}  // namespace
}  // namespace lockstep
