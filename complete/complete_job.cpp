#include "complete/complete_job.h"

#include <signal.h>

#include <atomic>
#include <iostream>
#include <optional>

#include "api/api_key.h"
#include "complete/complete_session.h"
#include "complete/line_reader.h"
#include "complete/local_server.h"
#include "complete/server_client.h"
#include "core/error.h"
#include "runtime/options/option_table.h"

namespace lockstep {
namespace {

std::atomic<bool> interrupted = false;

// Ctrl-C ends one answer, or the line that is being written. System calls are to return.
void CatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  ::sigaction(SIGINT, &action, nullptr);
}

bool TakeInterrupt() { return interrupted.exchange(false); }

// A line that ends in \ goes on in the next one.
std::optional<std::string> ReadText(LineReader& reader) {
  TakeInterrupt();  // of the answer that has just ended
  auto text = reader.Read("> ", TakeInterrupt);
  while (text && text->ends_with('\\')) {
    text->back() = '\n';
    const auto more = reader.Read(". ", TakeInterrupt);
    if (!more) break;
    *text += *more;
  }
  return text;
}

// A server that was started here has what the command line says for its defaults; another is told
// with each request.
Json SettingsOfRequests(const Arguments& arguments) {
  Json settings = {{"max_tokens", arguments.options.sampling.params.max_new_tokens}};
  if (arguments.url.empty()) return settings;
  constexpr std::string_view kSection = "sampling.";
  for (const OptionKey& key : OptionTable()) {
    const bool is_asked = key.path.starts_with(kSection) && key.path != "sampling.max_new_tokens" &&
                          arguments.options.stated.contains(key.path);
    if (is_asked)
      settings[key.path.substr(kSection.size())] =
          ParseJson(key.value(arguments.options), key.path);
  }
  return settings;
}

ExitCode TakeLines(CompleteSession& session, LocalServer* server) {
  LineReader reader;
  if (reader.is_terminal())
    std::cerr << "Type a text to continue; /help shows what else there is." << std::endl;
  for (auto line = ReadText(reader); line; line = ReadText(reader)) {
    if (!session.Take(*line)) break;
    if (server != nullptr) server->Relay();
  }
  if (reader.is_terminal()) std::cout << std::endl;
  return session.failed() && !reader.is_terminal() ? ExitCode::kBadInput : ExitCode::kOk;
}

}  // namespace

int RunLineEditor(const Arguments& arguments, std::span<const std::string> arguments_given) {
  CatchInterrupts();
  const auto stop = [] { return interrupted.load(); };
  std::optional<LocalServer> server;
  if (arguments.url.empty()) {
    if (arguments.verbosity != Verbosity::kQuiet)
      std::cerr << fmt::format("loading {} …", arguments.options.model.path) << std::endl;
    server.emplace(ServeWords(arguments_given), stop);
  }
  ServerClient client(server ? server->address() : ParseServerUrl(arguments.url),
                      ApiKeyOf(arguments), arguments.tls_ca);
  const std::string model = client.ModelName(stop);
  if (stop()) throw Error(ExitCode::kInterrupted, "interrupted");
  CompleteSession session({.client = client,
                           .model = model,
                           .stop = stop,
                           .settings = SettingsOfRequests(arguments),
                           .out = std::cout,
                           .notes = std::cerr});
  return static_cast<int>(TakeLines(session, server ? &*server : nullptr));
}

}  // namespace lockstep
