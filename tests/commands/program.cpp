#include "program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "core/files/file.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

void Redirect(const std::filesystem::path& path, int flags, int descriptor) {
  const int file = ::open(path.c_str(), flags, 0600);
  if (file < 0 || ::dup2(file, descriptor) < 0) std::_Exit(126);
  ::close(file);
}

[[noreturn]] void Become(std::vector<std::string> command, const std::filesystem::path& folder) {
  Redirect(folder / "in", O_RDONLY, STDIN_FILENO);
  Redirect(folder / "out", O_WRONLY | O_CREAT, STDOUT_FILENO);
  Redirect(folder / "err", O_WRONLY | O_CREAT, STDERR_FILENO);
  // Nobody's models but the test's own (hub_cache.h).
  const char* hub = std::getenv("LOCKSTEP_TEST_HUB");
  ::setenv("HF_HUB_CACHE", hub != nullptr ? hub : (folder / "hub").c_str(), 1);
  std::vector<char*> words;
  for (std::string& word : command) words.push_back(word.data());
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  std::_Exit(127);
}

pid_t Start(const std::vector<std::string>& command, const std::filesystem::path& folder) {
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) Become(command, folder);
  return child;
}

struct ProcessState {
  char state = 'Z';  // Z: it has ended
  pid_t parent = 0;
};

ProcessState StateOf(const std::filesystem::path& process) {
  std::ifstream stream(process / "stat");
  std::string text;
  std::getline(stream, text);
  ProcessState state;
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return state;
  std::istringstream(text.substr(name_end + 1)) >> state.state >> state.parent;
  return state;
}

// tree: what `child` has started, mpirun first where there are ranks.
pid_t Chosen(Victim victim, pid_t child, const std::vector<pid_t>& tree) {
  if (victim == Victim::kStarted || victim == Victim::kTree || tree.empty()) return child;
  if (victim == Victim::kMpirun || tree.size() == 1) return tree.front();
  static std::minstd_rand random;
  return tree[1 + random() % (tree.size() - 1)];
}

// Whether a child has ended by itself; it is still there to be waited for.
bool HasEnded(pid_t child) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == child;
}

Outcome Run(const std::vector<std::string>& command, const std::string& input) {
  const TemporaryFolder folder;
  WriteText(folder / "in", input);
  const pid_t child = Start(command, folder.path());
  int status = 0;
  if (::waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid failed");
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.output = ReadFile(folder / "out");
  outcome.errors = ReadFile(folder / "err");
  return outcome;
}

}  // namespace

std::vector<pid_t> Descendants(pid_t ancestor) {
  std::multimap<pid_t, pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    children.emplace(StateOf(entry.path()).parent, std::stoi(name));
  }
  std::vector<pid_t> found{ancestor};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [begin, end] = children.equal_range(found[i]);
    for (auto child = begin; child != end; ++child) found.push_back(child->second);
  }
  found.erase(found.begin());
  return found;
}

bool IsAlive(pid_t process) {
  return StateOf(std::filesystem::path("/proc") / std::to_string(process)).state != 'Z';
}

std::vector<std::string> WithFixedDtype(std::vector<std::string> arguments) {
  constexpr std::string_view kFixed[] = {"generate", "score", "embed",   "eval",
                                         "serve",    "bench", "complete"};
  constexpr std::string_view kOther[] = {"comm", "compare"};  // of bench: without a model
  const auto is_one_of = [](const std::string& word, const auto& names) {
    return std::ranges::find(names, word) != std::end(names);
  };
  if (arguments.empty() || !is_one_of(arguments[0], kFixed)) return arguments;
  const bool is_bench = arguments[0] == "bench";
  if (is_bench && (arguments.size() == 1 || arguments[1].starts_with('-'))) return arguments;
  if (arguments.size() > 1 && is_one_of(arguments[1], kOther)) return arguments;
  for (const std::string& word : arguments)
    if (word.find("dtype") != word.npos || word.ends_with(".yaml") || word == "--config" ||
        word.starts_with("--url") || word.starts_with("--help") || word == "--print-config")
      return arguments;
  arguments.insert(arguments.end(), {"--dtype", "fp32"});
  return arguments;
}

Outcome RunAsGiven(const std::vector<std::string>& arguments, const std::string& input) {
  std::vector<std::string> command = {BuiltProgram()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return Run(command, input);
}

Outcome RunLockstep(const std::vector<std::string>& arguments, const std::string& input) {
  return RunAsGiven(WithFixedDtype(arguments), input);
}

Outcome RunScript(const std::string& script, const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"sh", "-c", script, "sh", BuiltProgram()};
  const std::vector<std::string> fixed = WithFixedDtype(arguments);
  command.insert(command.end(), fixed.begin(), fixed.end());
  return Run(command, "");
}

std::string OutputOfLines(std::vector<std::string> command, const std::string& lines) {
  const TemporaryFolder folder;
  const std::string input = folder / "in.jsonl", output = folder / "made";
  WriteText(input, lines);
  command.insert(command.end(), {"--input", input, "--output", output, "--quiet"});
  const Outcome run = RunLockstep(command);
  if (run.exit_code != 0)
    throw std::runtime_error(fmt::format("exit code {}: {}", run.exit_code, run.errors));
  return ReadFile(output);
}

Outcome RunLimited(const std::vector<std::string>& arguments, int bytes) {
  return RunScript(fmt::format("exec prlimit --fsize={} -- \"$@\"", bytes), arguments);
}

bool RunAndKill(const std::vector<std::string>& arguments, int milliseconds, Victim victim) {
  std::vector<std::string> command = {BuiltProgram()};
  const std::vector<std::string> fixed = WithFixedDtype(arguments);
  command.insert(command.end(), fixed.begin(), fixed.end());
  const TemporaryFolder folder;
  WriteText(folder / "in", "");
  const pid_t child = Start(command, folder.path());
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  const std::vector<pid_t> tree = Descendants(child);
  const bool was_there = !HasEnded(child);
  if (victim == Victim::kTree)
    for (const pid_t one : tree) ::kill(one, SIGKILL);
  ::kill(Chosen(victim, child, tree), SIGKILL);
  int status = 0;
  if (::waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid failed");
  for (const pid_t one : tree)
    while (IsAlive(one)) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return was_there && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Outcome RunUnderMpirun(int ranks, const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"env",
                                      "OMPI_ALLOW_RUN_AS_ROOT=1",
                                      "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
                                      "OMPI_MCA_btl_vader_single_copy_mechanism=none",
                                      "mpirun",
                                      "--quiet",
                                      "-n",
                                      std::to_string(ranks),
                                      "--oversubscribe",
                                      "--bind-to",
                                      "none",
                                      BuiltProgram()};
  const std::vector<std::string> fixed = WithFixedDtype(arguments);
  command.insert(command.end(), fixed.begin(), fixed.end());
  return Run(command, "");
}

std::filesystem::path CopyModel(const std::string& name, const std::filesystem::path& folder,
                                int ids) {
  const auto copy = folder / name;
  std::filesystem::copy(SourceFolder() / "tests/golden/cases" / name, copy);
  WriteText(copy / "tokenizer.json", ByteTokenizerJson(ids));
  return copy;
}

}  // namespace lockstep
