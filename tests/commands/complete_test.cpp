// lockstep complete as its users see it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "program.h"
#include "running_server.h"
#include "tests/support/test_data.h"
#include "tests/support/tls_files.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Model() { return (SourceFolder() / "models/shakespeare-neox").string(); }

Outcome OfModel(const std::string& input) {
  return RunLockstep(
      {"complete", "--model", Model(), "--threads", "1", "--temperature", "0", "--quiet"}, input);
}

TEST(Complete, ContinuesEachLineAsGenerateDoes) {
  const Outcome wanted = RunLockstep({"generate", "--model", Model(), "--prompt",
                                      "ROMEO:", "--max-new-tokens", "16", "--temperature", "0"});
  const Outcome run = OfModel("/set max_tokens 16\nROMEO:\n");
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, wanted.output);
  const Outcome by_flag = RunLockstep({"complete", "--model", Model(), "--threads", "1",
                                       "--temperature", "0", "--quiet", "-n", "16"},
                                      "ROMEO:\n");
  EXPECT_EQ(by_flag.output, wanted.output) << by_flag.errors;
}

TEST(Complete, GoesOnBehindAnAnswer) {
  const std::string first = OfModel("/set max_tokens 8\nROMEO:\n").output;
  const Outcome all = OfModel("/set max_tokens 8\nROMEO:\n/more\n/again\n/quit\nnever\n");
  EXPECT_EQ(all.exit_code, 0) << all.errors;
  ASSERT_THAT(all.output, testing::StartsWith(first));
  const std::string rest = all.output.substr(first.size());  // the same twice
  EXPECT_EQ(rest.substr(0, rest.size() / 2), rest.substr(rest.size() / 2));
  EXPECT_NE(rest.substr(0, rest.size() / 2), first);
}

TEST(Complete, SaysWhatIsWrongWithALineAndGoesOn) {
  const Outcome run =
      OfModel("/sett x\n/set temprature 1\n/set top_p 7\nA\n/unset top_p\n/set max_tokens 2\nA\n");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("there is no command /sett"));
  EXPECT_THAT(run.errors, HasSubstr("there is no setting \"temprature\""));
  EXPECT_THAT(run.errors, HasSubstr("top_p"));
  EXPECT_FALSE(run.output.empty()) << "of the last line";
}

TEST(Complete, RefusesAValueWhenItIsSet) {
  const Outcome run = OfModel(
      "/set temperature hot\n/set top_p 7\n/set seed one\n/set stop .\n/set top_k -1\n"
      "/set seed -1\n/set max_tokens 2\nA\n");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.errors, HasSubstr("/set: \"temperature\" is \"hot\"; expected"));
  EXPECT_THAT(run.errors, HasSubstr("/set: \"top_p\" is 7; expected"));
  EXPECT_THAT(run.errors, HasSubstr("/set: \"seed\" is \"one\"; expected"));
  EXPECT_THAT(run.errors, Not(HasSubstr("is -1")));
  EXPECT_FALSE(run.output.empty()) << "the line has only what was taken";
}

TEST(Complete, AsksForNoMoreThanTheContextHasRoomFor) {
  const Outcome run = OfModel("/set ignore_eos true\n/set max_tokens 200\nROMEO:\n/more\n" +
                              std::string(600, 'x') + "\n");
  EXPECT_EQ(run.exit_code, 2) << "of the last line";
  EXPECT_THAT(run.errors, HasSubstr("(the context of 256 tokens has room for "));
  EXPECT_THAT(run.errors, HasSubstr("and fills the model's context of 256; begin a new one"));
}

TEST(Complete, TellsAServerWhatTheCommandLineSays) {
  RunningServer server({"--model", Model(), "--threads", "1"});
  const auto with = [&](const std::string& seed) {
    return RunLockstep({"complete", "--url", "http://127.0.0.1:" + std::to_string(server.port()),
                        "--temperature", "1", "-n", "24", "--seed", seed},
                       "ROMEO:\n")
        .output;
  };
  EXPECT_EQ(with("3"), with("3"));
  EXPECT_NE(with("3"), with("4"));
}

TEST(Complete, SaysThatAServerWantsAKey) {
  const TemporaryFolder folder;
  WriteText(folder / "key", "secret\n");
  RunningServer server(
      {"--model", Model(), "--threads", "1", "--api-key-file", (folder / "key").string()});
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port());
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"complete", "--url", url},
        std::vector<std::string>{"bench", "serve", "--url", url, "--concurrency", "1"}}) {
    const Outcome run = RunLockstep(words, "A\n");
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.errors, HasSubstr("--api-key-file FILE or in the variable LOCKSTEP_API_KEY"));
  }
}

TEST(Complete, SpeaksToAServer) {
  RunningServer server({"--model", Model(), "--served-model-name", "bard", "--threads", "1"});
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port());
  const Outcome run =
      RunLockstep({"complete", "--url", url}, "/set temperature 0\n/set max_tokens 16\nROMEO:\n");
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, OfModel("/set max_tokens 16\nROMEO:\n").output);
}

TEST(Complete, SpeaksToAServerThatItTrusts) {
  const TemporaryFolder folder;
  const TestCertificate made = MakeCertificate(folder / "");
  const TestCertificate other = MakeCertificate(folder / "", "other-");
  RunningServer server({"--model", Model(), "--threads", "1", "--tls-cert", made.certificate,
                        "--tls-key", made.key});
  const std::string port = std::to_string(server.port());
  const std::string asked = "/set temperature 0\n/set max_tokens 16\nROMEO:\n";
  const auto of = [&](const std::string& url, const std::string& ca) {
    std::vector<std::string> words{"complete", "--url", url};
    if (!ca.empty()) words.insert(words.end(), {"--tls-ca", ca});
    return RunLockstep(words, asked);
  };
  const std::string answer = OfModel("/set max_tokens 16\nROMEO:\n").output;
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const Outcome good = of(fmt::format("https://{}:{}", host, port), made.certificate);
    EXPECT_EQ(good.exit_code, 0) << good.errors;
    EXPECT_EQ(good.output, answer);
  }
  struct Case {
    std::string url, ca, expected;
    int exit_code = 3;
  };
  const std::string at = "127.0.0.1:" + port;
  for (const Case& one :
       {Case{"https://" + at, "", "the server at " + at + ": its certificate is not trusted: self"},
        Case{"https://" + at, other.certificate, "its certificate is not trusted: "},
        Case{"http://" + at, "", "has closed the connection without an answer"},
        Case{"http://" + at, made.certificate, "is asked without TLS; expected https://", 2},
        Case{"https://" + at, made.key, "--tls-ca " + made.key + ": is no certificate", 2},
        Case{"https://" + at, "/nowhere/ca.pem", "/nowhere/ca.pem", 2}}) {
    const Outcome bad = of(one.url, one.ca);
    EXPECT_EQ(bad.exit_code, one.exit_code) << one.url << " " << bad.errors;
    EXPECT_THAT(bad.errors, HasSubstr(one.expected));
    EXPECT_EQ(bad.output, "");
  }
}

TEST(Complete, SaysWhereTheCertificateIsAnotherHosts) {
  const TemporaryFolder folder;
  const TestCertificate made = MakeCertificate(folder / "");
  RunningServer server({"--model", Model(), "--threads", "1", "--tls-cert", made.certificate,
                        "--tls-key", made.key, "--host", "0.0.0.0"});
  const Outcome run =
      RunLockstep({"complete", "--url", fmt::format("https://127.0.0.2:{}", server.port()),
                   "--tls-ca", made.certificate},
                  "A\n");
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("its certificate is not trusted: IP address mismatch"));
}

TEST(Complete, SaysWhereAServerSpeaksNoTls) {
  RunningServer server({"--model", Model(), "--threads", "1"});
  const Outcome run =
      RunLockstep({"complete", "--url", fmt::format("https://127.0.0.1:{}", server.port())}, "A\n");
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("where it speaks none, expected http://"));
}

TEST(Complete, KnowsTheKeyOfAServerOfItsOwn) {
  const TemporaryFolder folder;
  WriteText(folder / "key", "secret\n");
  const Outcome run = RunLockstep({"complete", "--model", Model(), "--threads", "1", "--quiet",
                                   "--api-key-file", (folder / "key").string()},
                                  "/set max_tokens 2\nROMEO:\n");
  EXPECT_EQ(run.exit_code, 0) << run.errors;
}

TEST(Complete, SaysWhyItCannotBegin) {
  const Outcome nobody = RunLockstep({"complete", "--url", "http://127.0.0.1:1"}, "A\n");
  EXPECT_EQ(nobody.exit_code, 3);
  EXPECT_THAT(nobody.errors,
              HasSubstr("the server at 127.0.0.1:1: Connection refused; no server listens there"));
  const Outcome both = RunLockstep({"complete", "--url", "http://127.0.0.1:1", "--model", "m"});
  EXPECT_EQ(both.exit_code, 2);
  const Outcome trusting = RunLockstep({"complete", "--model", "m", "--tls-ca", "ca.pem"});
  EXPECT_EQ(trusting.exit_code, 2);
  EXPECT_THAT(trusting.errors, HasSubstr("--tls-ca ca.pem: there is no server to trust"));
  const Outcome none = RunLockstep({"complete", "--model", "/nowhere"}, "A\n");
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.errors, HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace lockstep
