#include "bench/load/load_job.h"

#include <sys/resource.h>

#include <array>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>

#include "api/api_key.h"
#include "bench/load/load_bench.h"
#include "bench/load/pages/load_page.h"
#include "bench/load/targets/engine_target.h"
#include "bench/load/targets/http_target.h"
#include "bench/result_about.h"
#include "bench/result_files.h"
#include "core/error.h"
#include "core/log.h"
#include "runtime/standard_streams.h"
#include "runtime/world/interrupt.h"
#include "serving/model_job.h"

namespace lockstep {
namespace {

namespace asio = boost::asio;

// What the command line says of how tokens are chosen; what it does not say is the server's.
Json FieldsOf(const Arguments& arguments) {
  const Options& options = arguments.options;
  const SamplingParams& params = options.sampling.params;
  Json fields = Json::object();
  const auto add = [&](const char* name, const Json& value) {
    if (options.stated.contains(std::string("sampling.") + name)) fields[name] = value;
  };
  add("temperature", params.temperature);
  add("top_k", params.top_k);
  add("top_p", params.top_p);
  add("min_p", params.min_p);
  add("repetition_penalty", params.repetition_penalty);
  add("presence_penalty", params.presence_penalty);
  add("frequency_penalty", params.frequency_penalty);
  if (arguments.load.eos_rule == EosRule::kIgnored) fields["ignore_eos"] = true;
  return fields;
}

const char* DeviceName(DeviceChoice device) {
  switch (device) {
    case DeviceChoice::kCpu: return "cpu";
    case DeviceChoice::kCuda: return "cuda";
    case DeviceChoice::kAuto: break;
  }
  return "auto";
}

// Before anything is measured: it would be a pity afterwards.
void CheckOutputs(const LoadOptions& options) {
  CheckResultFiles(std::array{options.json_file, options.csv_file, options.html_file},
                   std::array{options.replay});
}

// Else outputs would be shorter than the report says.
void CheckContext(const LoadOptions& options, std::int64_t context_tokens) {
  if (!options.replay.empty() || options.prompt_form == PromptForm::kText) return;
  const auto longest = [](const LengthDistribution& lengths) {
    return lengths.kind == LengthDistribution::Kind::kUniform ? lengths.last : lengths.first;
  };
  const std::int64_t prompt = longest(options.prompt_tokens);
  const std::int64_t output = longest(options.output_tokens);
  if (output > context_tokens - prompt)
    throw BadInput(
        "bench serve: --input-len {} and --output-len {} together are past the model's context of "
        "{} tokens; shorten one of them",
        prompt, output, context_tokens);
}

// Each request in flight has a connection: as many as the system lets us have.
void AllowManyConnections() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

ExitCode Tell(const LoadReport& report) {
  const LoadOptions& options = report.options;
  const bool on_output =
      options.json_file == "-" || options.csv_file == "-" || options.html_file == "-";
  if (!on_output) WriteStandardOutput(LoadText(report));
  WriteResult(options.json_file, LoadJson(report));
  WriteResult(options.csv_file, LoadCsv(report));
  if (!options.html_file.empty()) WriteResult(options.html_file, LoadPage(report));
  if (report.is_interrupted) return ExitCode::kInterrupted;
  std::int64_t completed = 0;
  for (const LoadSummary& round : report.rounds) completed += round.completed;
  if (completed > 0 || report.search) return ExitCode::kOk;
  LogError("bench serve: no request was answered");
  return ExitCode::kEnvironment;
}

int RunOnServer(const Arguments& arguments, std::span<const std::string> given) {
  InstallInterruptHandlers();
  AnnounceInterrupts();
  const LoadOptions& options = arguments.load;
  CheckOutputs(options);
  AllowManyConnections();
  asio::io_context io{1};
  HttpTarget target(io, {.address = ParseServerUrl(arguments.url),
                         .tls_ca = arguments.tls_ca,
                         .api_key = ApiKeyOf(arguments),
                         .model = arguments.options.model.path,
                         .endpoint = options.endpoint,
                         .fields = FieldsOf(arguments),
                         .timeout_seconds = options.timeout_seconds});
  ProgressLine progress(ProgressOnStderr(arguments.verbosity));
  LoadBench bench({.io = io,
                   .target = target,
                   .options = options,
                   .stop = InterruptRequested,
                   .progress = progress});
  LoadReport report{.about = AboutResult(given, ""),
                    .target = arguments.url,
                    .model = target.FindModel(),
                    .options = options};
  FinishStepsOnInterrupt();
  bench.Measure(report);
  return static_cast<int>(Tell(report));
}

// Load on the engine of this process. A thread of its own sends it, as clients would.
class EngineLoadJob : public ModelJob {
 public:
  EngineLoadJob(const Arguments& arguments, std::span<const std::string> given)
      : arguments_(arguments), given_(given) {}

  void Prepare(const ModelFiles& model) override {
    const LoadOptions& options = arguments_.load;
    if (arguments_.options.parallel.dp > 1)
      throw BadInput(
          "bench serve: --dp is {}; expected 1: measure groups of ranks as a server, "
          "with lockstep serve and --url",
          arguments_.options.parallel.dp);
    if (options.endpoint == LoadEndpoint::kChat)
      throw BadInput("bench serve: --chat asks for a server; give --url http://HOST:PORT");
    CheckOutputs(options);
    CheckContext(options, model.spec.context_tokens);
    tokenizer_ = OpenTokenizer(arguments_.options, model);
    if (options.prompt_form == PromptForm::kTokens && options.last_id >= model.spec.vocab_rows)
      throw BadInput("--prompt-ids: {} is the last id, but the model has {} rows of vocabulary",
                     options.last_id, model.spec.vocab_rows);
  }
  std::optional<std::int64_t> cache_pages() const override { return std::nullopt; }
  std::int64_t sampled_vocab() const override { return tokenizer_->vocab_size(); }
  const Tokenizer* tokenizer() const override { return &*tokenizer_; }

  ExitCode Run(const JobContext& place) override {
    LoadReport report{.about = AboutResult(given_, DeviceName(arguments_.options.parallel.device)),
                      .target = "engine in this process",
                      .model = arguments_.options.model.path,
                      .options = arguments_.load};
    asio::io_context io{1};  // as long as the engine may end a request
    std::exception_ptr failure;
    std::thread clients([&] {
      try {
        SendLoad(io, place.loop, report);
      } catch (...) {
        failure = std::current_exception();
      }
      place.loop.Drain();
    });
    try {
      place.loop.Run();
    } catch (...) {
      is_over_ = true;
      clients.join();
      throw;
    }
    clients.join();
    if (failure) std::rethrow_exception(failure);
    return Tell(report);
  }

 private:
  void SendLoad(asio::io_context& io, EngineLoop& loop, LoadReport& report) {
    SamplingParams sampling = arguments_.options.sampling.params;
    sampling.ignore_eos = arguments_.load.eos_rule == EosRule::kIgnored;
    EngineTarget target(io, loop, sampling);
    ProgressLine progress(ProgressOnStderr(arguments_.verbosity));
    LoadBench bench({.io = io,
                     .target = target,
                     .options = arguments_.load,
                     .stop = [this] { return is_over_ || InterruptRequested(); },
                     .progress = progress});
    bench.Measure(report);
  }

  const Arguments& arguments_;
  const std::span<const std::string> given_;
  std::optional<Tokenizer> tokenizer_;
  std::atomic<bool> is_over_ = false;  // the engine has failed
};

}  // namespace

int RunLoadBench(const Arguments& arguments, std::span<const std::string> arguments_given) {
  if (!arguments.url.empty()) return RunOnServer(arguments, arguments_given);
  EngineLoadJob job(arguments, arguments_given);
  return RunModelJob(arguments, arguments_given, job);
}

}  // namespace lockstep
