// Encrypted connections, and the files that they need.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <thread>

#include "api/tls/server_certificate.h"
#include "core/error.h"
#include "core/files/file.h"
#include "server/http_server.h"
#include "tests/support/http_client.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"
#include "tests/support/tls_files.h"
#include "tests/unit/server/served_model.h"

namespace lockstep {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;

class TlsFilesTest : public testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& text) const {
    WriteText(folder_ / name, text);
    return (folder_ / name).string();
  }

  const TemporaryFolder folder_;
  const TestCertificate made_ = MakeCertificate(folder_ / "");
};

TEST_F(TlsFilesTest, AreReadWhereTheyAreGood) {
  EXPECT_FALSE(OpenTls({}));
  EXPECT_TRUE(OpenTls({made_.certificate, made_.key}));
  const std::string both = File("both", ReadFile(made_.certificate) + ReadFile(made_.key));
  EXPECT_TRUE(OpenTls({both, both}));
}

TEST_F(TlsFilesTest, AreRefusedByNameWhereTheyAreNot) {
  const TestCertificate other = MakeCertificate(folder_ / "", "other-");
  const std::string empty = File("empty", ""), garbage = File("garbage", "-----BEGIN X-----");
  const std::string locked = File("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n");
  struct Case {
    TlsFiles files;
    std::string expected;
  };
  const Case cases[] = {
      {{made_.certificate, ""}, "is given without --tls-key; expected both"},
      {{"", made_.key}, "is given without --tls-cert; expected both"},
      {{"/nowhere/cert.pem", made_.key}, "--tls-cert /nowhere/cert.pem: no such file"},
      {{made_.certificate, "/nowhere/key.pem"}, "--tls-key /nowhere/key.pem: no such file"},
      {{empty, made_.key}, "--tls-cert " + empty + ": is no certificate"},
      {{garbage, made_.key}, "--tls-cert " + garbage + ": is no certificate"},
      {{made_.key, made_.key}, "--tls-cert " + made_.key + ": is no certificate"},
      {{made_.certificate, empty}, "--tls-key " + empty + ": is no private key"},
      {{made_.certificate, made_.certificate}, ": is no private key"},
      {{made_.certificate, locked}, "--tls-key " + locked + ": is encrypted"},
      {{made_.certificate, other.key},
       "--tls-key " + other.key + ": is not the key of the certificate " + made_.certificate},
  };
  for (const Case& one : cases)
    EXPECT_THAT(MessageOf([&] { OpenTls(one.files); }), HasSubstr(one.expected));
}

class TlsServerTest : public ServedModel {
 protected:
  // An encrypted connection over which this was sent.
  class Client {
   public:
    Client(int port, const std::string& certificate, const std::string& bytes) {
      tls_.load_verify_file(certificate);
      stream_.set_verify_mode(asio::ssl::verify_peer);
      const asio::ip::tcp::endpoint place(asio::ip::make_address("127.0.0.1"),
                                          static_cast<std::uint16_t>(port));
      stream_.next_layer().connect(place);
      stream_.handshake(asio::ssl::stream_base::client);
      asio::write(stream_, asio::buffer(bytes));
    }
    std::string Read() {
      std::string text;
      boost::system::error_code code;
      asio::read(stream_, asio::dynamic_buffer(text), code);
      EXPECT_EQ(code, asio::error::eof) << code.message();  // and not: cut off
      return text;
    }
    std::string Version() { return SSL_get_version(stream_.native_handle()); }
    void Leave() {
      boost::system::error_code ignored;
      SSL_shutdown(stream_.native_handle());
      stream_.next_layer().close(ignored);
    }

   private:
    asio::io_context io_;
    asio::ssl::context tls_{asio::ssl::context::tls_client};
    asio::ssl::stream<asio::ip::tcp::socket> stream_{io_, tls_};
  };

  HttpOptions Options(std::chrono::milliseconds patience = std::chrono::seconds(60)) const {
    return {.port = 0, .tls_cert = made_.certificate, .tls_key = made_.key, .patience = patience};
  }
  std::string Body(bool stream, int tokens = 20) const {
    return fmt::format(R"({{"prompt": [1, 2], "max_tokens": {}, "ignore_eos": true, "n": {},
                       "stream": {}}})",
                       tokens, tokens > 20 ? 100 : 1, stream);
  }

  const TemporaryFolder folder_for_keys_;
  const TestCertificate made_ = MakeCertificate(folder_for_keys_ / "");
};

TEST_F(TlsServerTest, AnswersWholeAndInStreams) {
  const HttpServer server(Options(), service_);
  std::string whole, stream;
  {
    const std::jthread client([&] {
      whole =
          Client(server.port(), made_.certificate, PostText("/v1/completions", Body(false))).Read();
      stream =
          Client(server.port(), made_.certificate, PostText("/v1/completions", Body(true))).Read();
      service_.Drain();
    });
    loop_.Run();
  }
  EXPECT_THAT(whole, testing::StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(whole, HasSubstr("\"completion_tokens\":20"));
  EXPECT_THAT(stream, HasSubstr("data: [DONE]"));
  EXPECT_EQ(Client(server.port(), made_.certificate, "").Version(), "TLSv1.3");
}

// What it sends as a farewell is encrypted, and looks like a request to the server.
TEST_F(TlsServerTest, CancelsWhatAClientHasAskedForThatLeaves) {
  const HttpServer server(Options(), service_);
  const std::jthread client([&] {
    for (const bool stream : {false, true}) {
      Client gone(server.port(), made_.certificate, PostText("/v1/completions", Body(stream, 40)));
      while (loop_.statistics().in_flight == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      gone.Leave();
      while (loop_.statistics().in_flight > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    service_.Drain();
  });
  loop_.Run();
  EXPECT_EQ(loop_.statistics().cancelled, 2);
}

TEST_F(TlsServerTest, LetsGoWhoIsSlowOrSpeaksNoTlsAndGoesOn) {
  const HttpServer hasty(Options(std::chrono::seconds(2)), service_);
  const int silent = BeginRequest(hasty.port(), "");
  const int slow = BeginRequest(hasty.port(), std::string("\x16\x03\x01\x02", 4));  // a handshake
  std::atomic<bool> closed = false;
  const std::jthread trickle([&] {
    while (!closed && ::send(slow, "\0", 1, MSG_NOSIGNAL) == 1)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  char byte = 0;
  EXPECT_LE(::read(silent, &byte, 1), 0);
  while (::read(slow, &byte, 1) > 0) {  // an alert, perhaps
  }
  closed = true;
  ::close(silent);
  ::close(slow);
  EXPECT_EQ(AskServer(hasty.port(), GetText("/health")).status, 0);
  EXPECT_THAT(Client(hasty.port(), made_.certificate, GetText("/health")).Read(),
              testing::StartsWith("HTTP/1.1 200 OK"));
}

}  // namespace
}  // namespace lockstep
