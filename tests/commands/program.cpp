#include "program.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "core/file.h"
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
  // Nobody's models, and no world that the tests themselves are in.
  ::setenv("HF_HUB_CACHE", (folder / "hub").c_str(), 1);
  std::vector<char*> words;
  for (std::string& word : command) words.push_back(word.data());
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  std::_Exit(127);
}

Outcome Run(const std::vector<std::string>& command, const std::string& input) {
  const TemporaryFolder folder;
  WriteText(folder / "in", input);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) Become(command, folder.path());
  int status = 0;
  if (::waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid failed");
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.output = ReadFile(folder / "out");
  outcome.errors = ReadFile(folder / "err");
  return outcome;
}

}  // namespace

Outcome RunLockstep(const std::vector<std::string>& arguments, const std::string& input) {
  std::vector<std::string> command = {LOCKSTEP_BINARY};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return Run(command, input);
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
                                      LOCKSTEP_BINARY};
  command.insert(command.end(), arguments.begin(), arguments.end());
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
