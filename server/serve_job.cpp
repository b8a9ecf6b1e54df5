#include "server/serve_job.h"

#include <chrono>
#include <thread>

#include "core/error.h"
#include "core/files/file.h"
#include "core/heartbeat.h"
#include "core/log.h"
#include "runtime/cache_size.h"
#include "runtime/world/interrupt.h"
#include "server/chat_support.h"
#include "server/http_server.h"
#include "server/service.h"

namespace lockstep {
namespace {

using Clock = std::chrono::steady_clock;

// For answers that are ready, to be sent.
constexpr std::chrono::seconds kSendTime{5};

// The first line of the file.
std::string ReadKey(const std::string& file) {
  if (file.empty()) return "";
  const std::string text = ReadFile(file);
  std::string key = text.substr(0, text.find('\n'));
  while (!key.empty() && (key.back() == '\r' || key.back() == ' ')) key.pop_back();
  if (key.empty()) throw BadInput("{}: is empty; expected the API key in its first line", file);
  return key;
}

// When the server is asked to stop, and when it has had its time.
class Stopping {
 public:
  Stopping(RequestQueue& queue, Service& service, HttpServer& http, double drain_seconds)
      : queue_(queue), service_(service), http_(http), drain_seconds_(drain_seconds) {}

  void Look() {
    if (!InterruptRequested()) return;
    if (!until_) return Begin();
    if (Clock::now() < *until_) return;
    LogWarning("{:g} s have passed; what is not answered by now is ended", drain_seconds_);
    queue_.Abort();
  }

 private:
  void Begin() {
    until_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                std::chrono::duration<double>(drain_seconds_));
    LogInfo("stopping: no more requests are accepted, {} are being answered",
            queue_.statistics().queued + queue_.statistics().in_flight);
    service_.Drain();
    http_.Drain();
  }

  RequestQueue& queue_;
  Service& service_;
  HttpServer& http_;
  const double drain_seconds_;
  std::optional<Clock::time_point> until_;
};

void WaitForAnswers(const HttpServer& http) {
  const auto limit = Clock::now() + kSendTime;
  while (http.open_answers() > 0 && Clock::now() < limit) {
    Heartbeat();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

void ServeJob::Prepare(const ModelFiles& model) {
  options_ = arguments_.options;
  tokenizer_ = OpenTokenizer(options_, model);
  spec_ = model.spec;
  generation_ = model.generation;
  defaults_ = ApplyDefaults(generation_, sampled_vocab(), options_);
  api_key_ = ReadKey(options_.server.api_key_file);
  chat_ = FindChatSupport(options_, model);
  hidden_layer_ = HiddenLayerOf(options_.embed, spec_);
}

std::optional<std::int64_t> ServeJob::cache_pages() const { return AskedPages(options_.engine); }

std::string ServeJob::ModelName() const {
  return options_.server.model_name.empty() ? options_.model.path : options_.server.model_name;
}

ExitCode ServeJob::Run(const JobContext& place) {
  const ServerOptions& wanted = options_.server;
  Service service({.queue = place.loop,
                   .tokenizer = *tokenizer_,
                   .spec = spec_,
                   .defaults = options_,
                   .model = ModelName(),
                   .most_requests = wanted.max_queue,
                   .end_tokens = generation_.end_tokens,
                   .ranks = group_size(),
                   .chat = chat_});
  HttpServer http({.host = wanted.host,
                   .port = static_cast<std::uint16_t>(wanted.port),
                   .api_key = api_key_,
                   .most_body_bytes = wanted.max_body_bytes,
                   .cors_origins = wanted.cors_origins},
                  service);
  SetLogRank(0, 1);  // said for all ranks
  ReportDefaults(generation_, defaults_);
  if (!chat_.warning.empty()) LogWarning("{}", chat_.warning);
  LogInfo("ready: http://{}:{}", wanted.host, http.port());
  Stopping stopping(place.loop, service, http, wanted.drain_seconds);
  place.loop.Run([&stopping] { stopping.Look(); });
  WaitForAnswers(http);
  LogInfo("stopped");
  return ExitCode::kOk;
}

}  // namespace lockstep
