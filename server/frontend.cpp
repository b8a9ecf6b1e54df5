#include "server/frontend.h"

#include <thread>

#include "api/api_key.h"
#include "api/chat_support.h"
#include "core/error.h"
#include "core/heartbeat.h"
#include "core/log.h"
#include "runtime/world/interrupt.h"

namespace lockstep {
namespace {

// For answers that are ready, to be sent.
constexpr std::chrono::seconds kSendTime{5};

}  // namespace

std::string ServerInput::ModelName() const {
  return options.server.model_name.empty() ? options.model.path : options.server.model_name;
}

ServerInput ReadServerInput(const Arguments& arguments, const ModelFiles& model, int ranks) {
  ServerInput input{.arguments = arguments,
                    .options = arguments.options,
                    .generation = model.generation,
                    .defaults = {},
                    .spec = model.spec,
                    .format = model.format,
                    .tokenizer = OpenTokenizer(arguments.options, model),
                    .api_keys = ApiKeysOf(arguments),
                    .ranks = ranks,
                    .chat = FindChatSupport(arguments.options, model),
                    .hidden_layer = HiddenLayerOf(arguments.options.embed, model.spec)};
  input.defaults = ApplyDefaults(input.generation, input.tokenizer.vocab_size(), input.options);
  // Other weights that are loaded later take the place of these in the same format.
  input.arguments.options.model.dtype = model.format;
  return input;
}

Frontend::Frontend(const ServerInput& input, RequestQueue& queue, WeightLoader& loader)
    : input_(input),
      queue_(queue),
      checkpoints_(input.arguments, input.spec, input.tokenizer),
      service_({.queue = queue,
                .tokenizer = input.tokenizer,
                .spec = input.spec,
                .format = input.format,
                .defaults = input.options,
                .model = input.ModelName(),
                .end_tokens = input.generation.end_tokens,
                .ranks = input.ranks,
                .chat = input.chat,
                .checkpoints = &checkpoints_,
                .loader = input.options.server.allow_load ? &loader : nullptr}),
      http_({.host = input.options.server.host,
             .port = static_cast<std::uint16_t>(input.options.server.port),
             .api_keys = input.api_keys,
             .trusted_proxies = input.options.server.trusted_proxies,
             .most_body_bytes = input.options.server.max_body_bytes,
             .cors_origins = input.options.server.cors_origins,
             .tls_cert = input.options.server.tls_cert,
             .tls_key = input.options.server.tls_key,
             .logging =
                 input.options.server.log_requests ? RequestLogging::kOn : RequestLogging::kOff},
            service_) {}

void Frontend::SayReady() const {
  SetLogRank(0, 1);  // said for all ranks
  ReportDefaults(input_.generation, input_.defaults);
  if (!input_.chat.warning.empty()) LogWarning("{}", input_.chat.warning);
  const std::string& host = input_.options.server.host;
  const bool is_v6 = host.find(':') != std::string::npos;  // in brackets, as RFC 3986 wants
  LogInfo("ready: {}://{}:{}", input_.options.server.tls_cert.empty() ? "http" : "https",
          is_v6 ? fmt::format("[{}]", host) : host, http_.port());
}

void Frontend::Look() {
  if (!InterruptRequested()) return;
  if (!until_) return BeginToStop();
  if (Clock::now() < *until_) return;
  LogWarning("{:g} s have passed; what is not answered by now is ended",
             input_.options.server.drain_seconds);
  queue_.Abort();
}

void Frontend::BeginToStop() {
  until_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                              std::chrono::duration<double>(input_.options.server.drain_seconds));
  LogInfo("stopping: no more requests are accepted, {} are being answered",
          queue_.statistics().queued + queue_.statistics().in_flight);
  service_.Drain();
  http_.Drain();
}

void Frontend::Finish() const {
  const auto limit = Clock::now() + kSendTime;
  while (http_.open_answers() > 0 && Clock::now() < limit) {
    Heartbeat();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  LogInfo("stopped");
}

}  // namespace lockstep
