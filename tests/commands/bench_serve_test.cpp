// `lockstep bench serve` and `bench compare`: what they say, never how fast anything is.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include <chrono>
#include <regex>
#include <thread>

#include "core/files/file.h"
#include "core/json.h"
#include "fake_server.h"
#include "program.h"
#include "running_server.h"
#include "tests/support/test_data.h"
#include "tests/support/tls_files.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

std::string Model() { return (SourceFolder() / "models/shakespeare-neox").string(); }

constexpr const char* kSmall[] = {"--requests",  "6",           "--concurrency", "3",
                                  "--input-len", "uniform:4-9", "--output-len",  "5"};

// Small and short, and its result as JSON.
Outcome RunBench(Words words) {
  words.insert(words.begin(), {"bench", "serve"});
  words.insert(words.end(), std::begin(kSmall), std::end(kSmall));
  return RunLockstep(words);
}
Json ResultOf(Words words) {
  words.insert(words.end(), {"--json", "-"});
  const Outcome run = RunBench(std::move(words));
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  return ParseJson(run.output, "bench");
}

void ExpectWhole(const Json& round, int requests) {
  EXPECT_EQ(round["completed"], requests);
  EXPECT_EQ(round["failed"], 0);
  EXPECT_EQ(round["total_output_tokens"], 5 * requests);
  EXPECT_GE(round["total_input_tokens"].get<int>(), 4 * requests);
  EXPECT_LE(round["total_input_tokens"].get<int>(), 9 * requests);
  EXPECT_EQ(round["output_tokens_counted_by_events"], 0);
  for (const char* name : {"mean_ttft_ms", "median_tpot_ms", "p99_itl_ms", "mean_e2el_ms"})
    EXPECT_GT(round[name].get<double>(), 0.0) << name;
  EXPECT_GE(round["mean_e2el_ms"].get<double>(), round["mean_ttft_ms"].get<double>());
}

class ABenchOfAServer : public testing::Test {
 protected:
  static std::string Url() { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  static void SetUpTestSuite() {
    server_ =
        new RunningServer({"--model", Model(), "--served-model-name", "bard", "--threads", "1"});
  }
  static void TearDownTestSuite() { delete std::exchange(server_, nullptr); }

  static RunningServer* server_;
};
RunningServer* ABenchOfAServer::server_ = nullptr;

TEST_F(ABenchOfAServer, MeasuresAClosedLoop) {
  const Json json = ResultOf({"--url", Url(), "--rounds", "2", "--goodput", "ttft:60s"});
  EXPECT_EQ(json["benchmark"], "serve");
  EXPECT_EQ(json["model"], "bard");
  EXPECT_THAT(json["about"]["command"].get<std::string>(), HasSubstr("bench serve --url"));
  ASSERT_EQ(json["rounds"].size(), 2u);
  for (const Json& round : json["rounds"]) ExpectWhole(round, 6);
  EXPECT_LE(json["rounds"][0]["max_concurrent_requests"].get<int>(), 3);
  EXPECT_EQ(json["rounds"][0]["request_goodput"], json["rounds"][0]["request_throughput"]);
  EXPECT_EQ(json["metrics"]["mean_ttft_ms"]["rounds"].size(), 2u);
}

TEST(ABenchOfATlsServer, AsksItWhereItTrustsIt) {
  const TemporaryFolder folder;
  const TestCertificate made = MakeCertificate(folder / "");
  RunningServer server({"--model", Model(), "--served-model-name", "bard", "--threads", "1",
                        "--tls-cert", made.certificate, "--tls-key", made.key});
  const std::string url = "https://127.0.0.1:" + std::to_string(server.port());
  const Json json = ResultOf({"--url", url, "--tls-ca", made.certificate});
  EXPECT_EQ(json["model"], "bard");
  ExpectWhole(json["rounds"][0], 6);
  const Outcome untrusted = RunBench({"--url", url});
  EXPECT_EQ(untrusted.exit_code, 3);
  EXPECT_THAT(untrusted.errors, HasSubstr("its certificate is not trusted: self"));
}

TEST_F(ABenchOfAServer, MeasuresAnOpenLoopAndSaysSoInATable) {
  const Outcome run = RunBench({"--url", Url() + "/v1", "--rate", "100", "--burstiness", "0.5",
                                "--text", "--temperature", "0", "--quiet"});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.errors, "");
  for (const char* part : {"model bard", "100 requests/s, burstiness 0.5, 3 at a time",
                           "6 completed, 0 failed", "time to first token", "p99"})
    EXPECT_THAT(run.output, HasSubstr(part));
}

TEST_F(ABenchOfAServer, ReplaysAFileAndWritesFiles) {
  const TemporaryFolder folder;
  WriteText(folder / "trace.jsonl",
            "{\"timestamp\": 10, \"input_length\": 6, \"output_length\": 5}\n"
            "{\"arrival_s\": 0, \"prompt\": \"ROMEO:\", \"output_tokens\": 5}\n");
  const std::string csv = folder / "result.csv";
  const Outcome run =
      RunLockstep({"bench", "serve", "--url", Url(), "--replay", folder / "trace.jsonl", "--json",
                   folder / "result.json", "--csv", csv, "--html", folder / "result.html"});
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_THAT(run.output, HasSubstr("2 completed, 0 failed"));
  EXPECT_EQ(ParseJson(ReadFile(folder / "result.json"), "json")["rounds"][0]["total_output_tokens"],
            10);
  EXPECT_THAT(ReadFile(csv), testing::StartsWith("round,duration,"));
  EXPECT_THAT(ReadFile(folder / "result.html"), HasSubstr("e2el.svg"));
}

TEST_F(ABenchOfAServer, LooksForARate) {
  const auto search = [](const std::string& target) {
    const Outcome run =
        RunLockstep({"bench", "serve", "--url", Url(), "--find-rate", "--goodput", target,
                     "--requests", "6", "--input-len", "4", "--output-len", "5", "--json", "-"});
    EXPECT_EQ(run.exit_code, 0) << run.errors;
    return ParseJson(run.output, "bench");
  };
  const Json found = search("e2el:600s")["search"];
  ASSERT_FALSE(found["trials"].empty());
  // A slow machine may have too many requests in flight from the first trial on, which tells
  // nothing.
  const bool is_met = std::ranges::any_of(
      found["trials"], [](const Json& trial) { return trial["result"] == "met"; });
  EXPECT_EQ(found["max_request_rate"].is_number(), is_met) << found;
  EXPECT_TRUE(found["least_rate_that_missed"].is_null());
  const Json none = search("e2el:0");
  EXPECT_TRUE(none["search"]["max_request_rate"].is_null());
  EXPECT_TRUE(none["search"]["trials"].empty());
}

TEST_F(ABenchOfAServer, ShowsWhatWasMeasuredWhenItIsInterrupted) {
  const TemporaryFolder folder;
  const auto answered = [] {
    const std::string text = server_->Get("/metrics").body;
    const std::regex line(R"(\nlockstep:request_success_total\{[^}]*length[^}]*\} ([^\n]*)\n)");
    std::smatch found;
    return std::regex_search(text, found, line) ? std::stod(found[1]) : 0.0;
  };
  const double before = answered();
  const std::jthread watcher([&] {
    while (answered() < before + 5.0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    WriteText(folder / "answered", "");
  });
  const Outcome run = RunScript(
      fmt::format("\"$@\" & child=$!; while [ ! -e {} ]; do sleep 0.02; done; kill -INT $child; "
                  "wait $child",
                  (folder / "answered").string()),
      {"bench", "serve", "--url", Url(), "--concurrency", "2", "--requests", "100000000",
       "--input-len", "4", "--output-len", "4"});
  EXPECT_EQ(run.exit_code, 130) << run.errors;
  EXPECT_THAT(run.output, HasSubstr("interrupted: this is what was measured so far"));
  EXPECT_THAT(run.output, HasSubstr(" completed, 0 failed"));
}

TEST_F(ABenchOfAServer, SaysThatTheServerRefuses) {
  const Outcome run = RunBench({"--url", Url(), "--model", "nobody"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors,
              HasSubstr("a request before the measurement was not answered: status 404"));
  EXPECT_EQ(run.output, "");
}

TEST(BenchServe, MeasuresAnEngineInThisProcess) {
  ExpectWhole(ResultOf({"--model", Model(), "--threads", "1"})["rounds"][0], 6);
  if (LOCKSTEP_TEST_RANKS == 1) return;
  const Json json = ResultOf({"--model", Model(), "--tp", "2", "--threads", "1"});
  ExpectWhole(json["rounds"][0], 6);
  EXPECT_EQ(json["target"], "engine in this process");
}

// What a hostile server answers to completions; it names its model as others do.
FakeServer Answering(std::string reply) {
  return FakeServer([reply = std::move(reply)](const std::string& request) -> std::string {
    if (!request.starts_with("GET /v1/models")) return reply;
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
           "24\r\n\r\n{\"data\":[{\"id\":\"fake\"}]}";
  });
}

constexpr const char* kStream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
constexpr const char* kEvent = "data: {\"choices\": [{\"text\": \"a\"}]}\n\n";

TEST(BenchServe, SaysInOneLineWhatIsNoOpenAiServer) {
  const std::string json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
  const std::vector<std::pair<std::string, std::string>> answers{
      {"", "broken off: the server has closed the connection"},
      {"\x01\x02garbage\r\n\r\n", "no HTTP"},
      {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n{\"error\": {\"message\": "
       "\"full\"}}",
       "status 503: full"},
      {json + "{\"choices\": [{\"text\": \"all of it\"}]}", "not streamed"},
      {json + "<html>", "no event stream: the answer is of type \"application/json\""},
      {std::string(kStream) + "data: <html>\n\n", "no JSON: an event is \"<html>\""},
      {std::string(kStream) + "data: [DONE]\n\n", "no token"},
      {std::string(kStream) + "data: {\"error\": {\"message\": \"out of pages\"}}\n\n",
       "error of the server: out of pages"},
      {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\n" +
           std::string(kEvent),
       "broken off"}};
  for (const auto& [answer, message] : answers) {
    const FakeServer server = Answering(answer);
    const Outcome run = RunBench({"--url", server.url()});
    EXPECT_EQ(run.exit_code, 3) << message << run.output;
    EXPECT_THAT(run.errors,
                HasSubstr("a request before the measurement was not answered: " + message));
    EXPECT_EQ(std::count(run.errors.begin(), run.errors.end(), '\n'), 1) << run.errors;
  }
}

TEST(BenchServe, CountsFailuresByKindAndGoesOn) {
  int number = 0;
  const FakeServer server([&number](const std::string&) -> std::string {
    switch (number++ % 3) {
      case 0: return std::string(kStream) + kEvent + kEvent;
      case 1: return "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\n\r\n{\"error\": \"full\"}";
    }
    return "";
  });
  const Json json = ResultOf({"--url", server.url(), "--model", "m"});
  const Json& round = json["rounds"][0];
  EXPECT_EQ(round["completed"], 2);  // the first one of all warms up
  EXPECT_EQ(round["failed"], 4);
  EXPECT_EQ(round["output_tokens_counted_by_events"], 2);
  ASSERT_EQ(round["failures"].size(), 2u);
  EXPECT_EQ(round["failures"][0]["kind"], "broken off");
  EXPECT_EQ(round["failures"][1]["example"], "full");
}

TEST(BenchServe, SaysThatNobodyIsThere) {
  const Outcome run = RunBench({"--url", "http://127.0.0.1:1"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors,
              HasSubstr("the server at 127.0.0.1:1: Connection refused; no server listens there"));
}

TEST(BenchServe, RefusesWhatContradicts) {
  const std::vector<std::pair<Words, std::string>> refused{
      {{"--concurrency", "2"}, "nobody to ask"},
      {{"--url", "u"}, "nothing says when requests are sent"},
      {{"--url", "u", "--rate", "1", "--requests", "1", "--seconds", "1"}, "expected one of them"},
      {{"--url", "u", "--rate", "0"}, "--rate is \"0\""},
      {{"--url", "u", "--find-rate"}, "--find-rate needs a target"},
      {{"--url", "u", "--find-rate", "--goodput", "e2el:1s", "--concurrency", "2"},
       "leave --concurrency out"},
      {{"--url", "u", "--rate", "1", "--goodput", "tpott:4"}, "the nearest is tpot"},
      {{"--url", "u", "--concurrency", "1", "--burstiness", "2"}, "--burstiness goes with"},
      {{"--url", "u", "--concurrencyy", "1"}, "the nearest known one is --concurrency"},
      {{"compare", "--url", "u"}, "unknown flag"},
      {{"--url", "http://u", "--rate", "1", "--tls-ca", "f"}, "is asked without TLS"},
      {{"--model", "/nowhere", "--rate", "1"}, "/nowhere"}};
  for (auto [words, message] : refused) {
    words.insert(words.begin(), {"bench", "serve"});
    const Outcome run = RunLockstep(words);
    EXPECT_EQ(run.exit_code, 2) << message;
    EXPECT_THAT(run.errors, HasSubstr(message));
  }
}

TEST(BenchCompare, SaysWhatBecameSlower) {
  const TemporaryFolder folder;
  const auto write = [&](const char* name, const char* rounds) {
    WriteText(folder / name,
              std::string("{\"benchmark\": \"serve\", \"metrics\": {\"mean_ttft_ms\": "
                          "{\"rounds\": ") +
                  rounds + "}}}");
    return std::string(folder / name);
  };
  const std::string before = write("before.json", "[10, 11, 12, 13]");
  const std::string after = write("after.json", "[20, 21, 22, 23]");
  const Outcome told = RunLockstep({"bench", "compare", before, after});
  EXPECT_EQ(told.exit_code, 0) << told.errors;
  EXPECT_THAT(told.output, HasSubstr("0 faster, 1 slower"));
  EXPECT_EQ(RunLockstep({"bench", "compare", before, after, "--fail-on-slower"}).exit_code, 5);
  EXPECT_EQ(RunLockstep({"bench", "compare", after, before, "--fail-on-slower"}).exit_code, 0);
  const Outcome missing = RunLockstep({"bench", "compare", before});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.errors, HasSubstr("expected two files of results"));
  EXPECT_EQ(RunLockstep({"bench", "compare", before, folder / "none.json"}).exit_code, 2);
}

}  // namespace
}  // namespace lockstep
