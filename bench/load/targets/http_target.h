#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "api/server_address.h"
#include "bench/load/targets/load_target.h"
#include "core/json.h"
#include "runtime/options/commands/load_options.h"

namespace lockstep {

struct HttpTargetOptions {
  ServerAddress address;
  std::string tls_ca;   // as ServerTrust's
  std::string api_key;  // empty: none is wanted
  std::string model;    // as the server names it; empty: the first one that it names
  LoadEndpoint endpoint = LoadEndpoint::kCompletions;
  Json fields = Json::object();  // of every request, beside its prompt and length
  double timeout_seconds = 600.0;
};

// A server with OpenAI's completions. Connections are kept and used again.
class HttpTarget : public LoadTarget {
 public:
  // Throws EnvironmentError where there is no such host, and as ServerTrust.
  HttpTarget(boost::asio::io_context& io, HttpTargetOptions options);
  ~HttpTarget() override;

  // Asks for the name of the model unless there is one. Throws EnvironmentError when the server
  // cannot be reached or does not answer as OpenAI's does, and BadInput when it refuses.
  const std::string& FindModel();

  void Send(LoadRequest request, const RunClock& clock, Done done) override;
  void Cancel() override;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
