#pragma once

#include <string>
#include <string_view>

#include "core/logging/log_format.h"

namespace lockstep {

// What a client has said about its request, beside the request: headers, as they came. Empty: it
// has said nothing.
struct RequestHeaders {
  std::string_view id;           // X-Request-Id
  std::string_view traceparent;  // of W3C Trace Context
};

// By what a request is known: in the log, to its client, and to its other services.
struct RequestName {
  LogLabel label;
  std::string traceparent;  // empty: the request is in no trace
};

// Takes the client's names where they are well formed; makes an id where there is none. What is not
// well formed is passed over, as both standards want it.
RequestName NameRequest(const RequestHeaders& headers);

}  // namespace lockstep
