#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/openai/api_error.h"
#include "server/service.h"

namespace lockstep {

// What is answered to which request, without sockets.

struct HttpAnswer {
  unsigned status = 200;
  std::string body = {};
  std::string type = "application/json";
  std::string allow = {};    // the methods, with 405
  std::string etag = {};     // who has a body of this name is told that it still holds
  std::string policy = {};   // Content-Security-Policy
  bool header_only = false;  // to HEAD
  std::vector<std::pair<std::string, std::string>> headers = {};  // others
};

HttpAnswer AnswerOf(const ApiError& error);
// In a handler. What is no fault of the client's is logged, and not told.
HttpAnswer AnswerOfCurrentException();
// To bytes that are no request.
HttpAnswer AnswerToUnreadable(std::string_view why);
// To a request that is longer than the server takes; `part` is its "body" or "header".
HttpAnswer AnswerToTooLong(int status, std::string_view part, std::int64_t most_bytes);

// What reads a request that takes time: for a text or a vector. Null for every other one.
using SlowReader = ReadRequest (Service::*)(std::string_view body, const Asker& asker) const;
SlowReader SlowReaderOf(std::string_view method, std::string_view target);

// POST /v1/load, which is answered when other weights have been loaded (Service::BeginLoad()).
bool IsLoad(std::string_view method, std::string_view target);

// All that there is.
struct RouteName {
  std::string_view method;
  std::string_view path;
};
std::vector<RouteName> RouteNames();

bool NeedsKey(std::string_view target);
// Whether a header is "Bearer ", in any case, and the key; takes as long whatever is wrong.
bool IsBearer(std::string_view header, std::string_view key);

// Everything that needs no rank. Some of it takes time for long bodies, which is a worker's.
bool TakesTime(std::string_view target);
HttpAnswer AnswerPlain(Service& service, std::string_view method, std::string_view target,
                       std::string_view body);

// A stream of server-sent events.
class EventWriter {
 public:
  // The request stays the caller's and outlives it.
  explicit EventWriter(const ReadRequest& read)
      : reply_(*read.reply), request_(*read.request), open_(read.request->prompts.size()) {}

  // What these make the client hear: "data: {…}\n\n" for each, and the end.
  std::string DataOf(std::vector<CallEvent>& events);

  bool ended() const { return open_ == 0; }
  bool failed() const { return failed_; }

 private:
  ApiReply& reply_;
  const ApiRequest& request_;
  std::size_t open_;  // prompts
  bool failed_ = false;
};

}  // namespace lockstep
