// A server that goes on with the weights of another checkpoint, as its clients see it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/files/file.h"
#include "core/json.h"
#include "program.h"
#include "running_server.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Model() { return (SourceFolder() / "models/shakespeare-neox").string(); }

// The demo model with matrices of two layers exchanged: another text, of the same shape.
void WriteOther(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder.parent_path());
  std::filesystem::copy(Model(), folder);
  const auto file = folder / "model.safetensors";
  std::string bytes = ReadFile(file);
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof(size));
  Json header = ParseJson(bytes.substr(8, size), "header");
  const auto offsets = [&](int layer) -> Json& {
    return header[fmt::format("gpt_neox.layers.{}.mlp.dense_h_to_4h.weight", layer)]
                 ["data_offsets"];
  };
  std::swap(offsets(0), offsets(1));
  std::string text = DumpJson(header);
  ASSERT_LE(text.size(), size);
  text.resize(size, ' ');
  WriteText(file, bytes.replace(8, size, text));
}

// "a/b@other" in a cache of the hub's layout, and "a/b@damaged".
class ServeLoad : public testing::Test {
 protected:
  ServeLoad() {
    const auto cached = folder_ / "hub/models--a--b";
    WriteOther(cached / "snapshots/other");
    std::filesystem::copy(cached / "snapshots/other", cached / "snapshots/damaged");
    const auto file = cached / "snapshots/damaged/model.safetensors";
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 4096);
    ::setenv("HF_HUB_CACHE", (folder_ / "hub").c_str(), 1);
  }
  ~ServeLoad() override { ::unsetenv("HF_HUB_CACHE"); }

  static std::vector<std::string> On(const std::string& model, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--model", model, "--threads", "1", "--allow-load"});
    return more;
  }

  const TemporaryFolder folder_;
};

constexpr int kLong = 200;  // tokens

std::string Body(int tokens, const char* more = "") {
  return fmt::format(R"({{"prompt": "ROMEO:\nIt is the east, and Juliet", "max_tokens": {},
      "ignore_eos": true, "seed": 5, "temperature": 0.8, "logprobs": 1{}}})",
                     tokens, more);
}

// All that a client gets of an answer but for its number and its time.
std::string ChoicesOf(const HttpReply& reply) {
  EXPECT_EQ(reply.status, 200) << reply.body;
  return DumpJson(ParseJson(reply.body, "reply")["choices"]);
}
std::string Text(const RunningServer& server) {
  return ChoicesOf(server.Post("/v1/completions", Body(40)));
}
HttpReply Load(const RunningServer& server, const std::string& model) {
  return server.Post("/v1/load", DumpJson({{"model", model}}));
}
std::string ServedBy(const RunningServer& server) {
  return ParseJson(server.Get("/v1/models").body, "models")["data"][0]["id"].get<std::string>();
}

TEST_F(ServeLoad, GivesTheTextsOfAServerThatWasStartedWithTheCheckpoint) {
  const std::string other = Text(RunningServer(On("a/b@other")));
  for (const char* ranks : {"1", "2"}) {
    if (std::stoi(ranks) > LOCKSTEP_TEST_RANKS) GTEST_SKIP() << "built without MPI";
    const RunningServer server(On(Model(), {"--tp", ranks}));
    const std::string first = Text(server);
    EXPECT_NE(first, other);
    const HttpReply loaded = Load(server, "a/b@other");
    EXPECT_EQ(loaded.status, 200) << loaded.body;
    EXPECT_EQ(ParseJson(loaded.body, "reply")["model"], "a/b@other");
    EXPECT_EQ(ServedBy(server), "a/b@other");
    EXPECT_EQ(Text(server), other);
    for (const pid_t process : Descendants(server.process())) ::kill(process, SIGKILL);
    EXPECT_EQ(Text(server), other) << "of ranks that were started again";
    EXPECT_EQ(Load(server, Model()).status, 200);
    EXPECT_EQ(Text(server), first);
  }
}

// A text on its way: its first token has come.
int BeginStream(const RunningServer& server) {
  const int connection =
      BeginRequest(server.port(), PostText("/v1/completions", Body(kLong, R"(, "stream": true)")));
  std::string seen(4096, '\0');
  while (seen.find("data: ") == std::string::npos) {
    const ssize_t bytes = ::recv(connection, seen.data(), seen.size(), MSG_PEEK);
    if (bytes <= 0) throw std::runtime_error("the server has closed the connection");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return connection;
}

// The same as one text, to its end.
std::string EndStream(int connection) {
  const std::string events = ReadReply(connection).body;
  ::close(connection);
  EXPECT_THAT(events, testing::EndsWith("data: [DONE]\n\n"));
  std::string text;
  for (std::size_t at = 0; (at = events.find("data: {", at)) != std::string::npos;) {
    const std::size_t end = events.find("\n\n", at);
    const Json chunk = ParseJson(events.substr(at + 6, end - at - 6), "chunk");
    text += chunk.at("choices").at(0).at("text").get<std::string>();
    at = end;
  }
  return text;
}

std::string LongText(const RunningServer& server) { return EndStream(BeginStream(server)); }

TEST_F(ServeLoad, LetsWhatHasBegunEndOnItsWeightsInAllGroups) {
  const std::string other = LongText(RunningServer(On("a/b@other")));
  const RunningServer server(On(Model(), {"--dp", "2", "--served-model-name", "bard"}));
  const std::string first = LongText(server);
  EXPECT_NE(first, other);
  std::vector<int> begun;
  begun.reserve(6);
  for (int i = 0; i < 6; ++i) begun.push_back(BeginStream(server));
  const std::string wish = PostText("/v1/load", R"({"model": "a/b@other"})");
  const int one = BeginRequest(server.port(), wish), two = BeginRequest(server.port(), wish);
  EXPECT_EQ(server.Get("/health").status, 200);
  for (const int connection : begun) EXPECT_EQ(EndStream(connection), first);
  const std::set<int> statuses{ReadReply(one).status, ReadReply(two).status};
  EXPECT_TRUE(statuses.contains(200));
  EXPECT_TRUE(statuses == std::set({200}) || statuses == std::set({200, 409}));
  ::close(one);
  ::close(two);
  EXPECT_EQ(ServedBy(server), "bard");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(LongText(server), other);
}

TEST_F(ServeLoad, WaitsNoLongerForTextsThanItWasTold) {
  const RunningServer server(On(Model(), {"--set", "engine.max_sequences=1"}));
  const std::string first = LongText(server);
  std::vector<int> begun{BeginStream(server)};  // and those that the ranks have behind it
  for (int i = 0; i < 8; ++i)
    begun.push_back(BeginRequest(server.port(),
                                 PostText("/v1/completions", Body(kLong, R"(, "stream": true)"))));
  const HttpReply late = server.Post("/v1/load", R"({"model": "a/b@other", "timeout_s": 0})");
  EXPECT_EQ(late.status, 503);
  EXPECT_THAT(late.header, HasSubstr("Retry-After"));
  EXPECT_THAT(late.body, HasSubstr("have not ended within timeout_s"));
  for (const int connection : begun) EXPECT_EQ(EndStream(connection), first);
  EXPECT_EQ(LongText(server), first) << "on the weights before";
  EXPECT_EQ(server.Post("/v1/load", R"({"model": "a/b@other", "timeout_s": 30})").status, 200);
  EXPECT_NE(LongText(server), first);
}

TEST_F(ServeLoad, ChangesNothingWhereTheCheckpointCannotBeLoaded) {
  RunningServer server(On(Model()));
  const std::string first = Text(server);
  const auto refused = [&](const std::string& model, const char* message) {
    const HttpReply reply = Load(server, model);
    EXPECT_THAT(reply.body, HasSubstr(message));
    EXPECT_THAT(reply.body, Not(HasSubstr(folder_.path().string())));
    return reply.status;
  };
  EXPECT_EQ(refused("a/b@missing", "is no checkpoint"), 404);
  EXPECT_EQ(refused("a/b@damaged", "its files are damaged"), 400);
  const std::string unlike = (SourceFolder() / "models/shakespeare-gptj").string();
  EXPECT_EQ(refused(unlike, "expected the same shape"), 400);
  EXPECT_EQ(Text(server), first);
  EXPECT_EQ(ServedBy(server), Model());
  EXPECT_EQ(server.Metric("group_restarts_total"), 0);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_THAT(server.errors(), HasSubstr("model.safetensors"));
}

TEST_F(ServeLoad, NeedsRoomForBothCheckpoints) {
  const RunningServer server(On(Model()));
  const std::string first = Text(server);
  const pid_t rank = Descendants(server.process()).at(0);
  const std::string pages = ReadFile(fmt::format("/proc/{}/statm", rank));
  const auto bytes = std::stoull(pages) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (bytes >> 40 != 0) GTEST_SKIP() << "a sanitizer has reserved all addresses";
  // Enough to look at the file, which holds fp16, and not for its weights in fp32.
  const rlimit limit{bytes + 6'000'000, RLIM_INFINITY}, none{RLIM_INFINITY, RLIM_INFINITY};
  ASSERT_EQ(::prlimit(rank, RLIMIT_AS, &limit, nullptr), 0);
  const HttpReply refused = Load(server, "a/b@other");
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("no room"));
  ASSERT_EQ(::prlimit(rank, RLIMIT_AS, &none, nullptr), 0);
  EXPECT_EQ(Text(server), first);
  EXPECT_EQ(Load(server, "a/b@other").status, 200);
  EXPECT_EQ(server.Metric("group_restarts_total"), 0);
}

TEST_F(ServeLoad, IsForWhoMayAsk) {
  WriteText(folder_ / "key", "secret\n");
  const RunningServer server(On(Model(), {"--api-key-file", (folder_ / "key").string()}));
  EXPECT_EQ(Load(server, "a/b@other").status, 401);
  EXPECT_EQ(server.Post("/v1/load", R"({"model": "a/b@other"})", "Authorization: Bearer secret\r\n")
                .status,
            200);
  const RunningServer closed({"--model", Model(), "--threads", "1"});
  EXPECT_EQ(Load(closed, "a/b@other").status, 403);
}

}  // namespace
}  // namespace lockstep
