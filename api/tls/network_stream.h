#pragma once

#include <optional>
#include <utility>  // Boost 1.74's awaitable.hpp needs it and does not say so

#include <boost/asio/async_result.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_stream.hpp>
#include <boost/beast/core/tcp_stream.hpp>

namespace lockstep {

// Bytes between a client and a server, encrypted or not: a stream as Boost.Asio and Boost.Beast
// read and write it. Deadlines are those of tcp(), of the handshake too.
class NetworkStream {
 public:
  using Tcp = boost::asio::ip::tcp;
  using Code = boost::beast::error_code;
  using Tls = boost::asio::ssl::stream<boost::beast::tcp_stream&>;
  using executor_type = boost::beast::tcp_stream::executor_type;

  // tls: what a server shows (OpenTls()) or a client asks for (ServerTrust); null: nothing is
  // encrypted. It outlives this.
  NetworkStream(Tcp::socket socket, boost::asio::ssl::context* tls) : tcp_(std::move(socket)) {
    if (tls != nullptr) tls_.emplace(tcp_, *tls);
  }
  NetworkStream(const NetworkStream&) = delete;
  NetworkStream& operator=(const NetworkStream&) = delete;

  executor_type get_executor() { return tcp_.get_executor(); }
  boost::beast::tcp_stream& tcp() { return tcp_; }
  // Null where nothing is encrypted.
  Tls* tls() { return tls_ ? &tls_->next_layer() : nullptr; }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& to, Token&& token) {
    return boost::asio::async_initiate<Token, void(Code, std::size_t)>(
        [this](auto done, const Buffers& buffers) {
          if (tls_)
            tls_->async_read_some(buffers, std::move(done));
          else
            tcp_.async_read_some(buffers, std::move(done));
        },
        token, to);
  }
  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& from, Token&& token) {
    return boost::asio::async_initiate<Token, void(Code, std::size_t)>(
        [this](auto done, const Buffers& buffers) {
          if (tls_)
            tls_->async_write_some(buffers, std::move(done));
          else
            tcp_.async_write_some(buffers, std::move(done));
        },
        token, from);
  }

 private:
  boost::beast::tcp_stream tcp_;
  std::optional<boost::beast::flat_stream<Tls>> tls_;  // one record for the parts of a chunk
};

}  // namespace lockstep
