#pragma once

#include <string>

namespace lockstep {

// As little of an HTTP client as tests need.

struct HttpReply {
  int status = 0;      // 0: the connection was closed without a word
  std::string header;  // as it came
  std::string body;    // chunks put together
};

// Requests after which the server closes. headers: lines with their ends.
std::string GetText(const std::string& path, const std::string& headers = "");
std::string PostText(const std::string& path, const std::string& body,
                     const std::string& headers = "");

// A connection to this port of this machine, over which the bytes were sent; the caller closes it.
// from: an address of this machine that it comes from; empty: any.
int BeginRequest(int port, const std::string& bytes, const std::string& from = "");
// All that comes until the server closes.
std::string ReadAll(int connection);
// The same as a reply.
HttpReply ReadReply(int connection);
// Both.
HttpReply AskServer(int port, const std::string& bytes);

}  // namespace lockstep
