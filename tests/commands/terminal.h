#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace lockstep {

// The built program at a terminal of its own, as long as this lives. What is typed is echoed, so
// that it is seen among what the program says.
class Terminal {
 public:
  // With `home` for the home directory, where it keeps its history; kind: $TERM.
  Terminal(const std::vector<std::string>& arguments, const std::string& home,
           const char* kind = "dumb");
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static constexpr const char* kCtrlC = "\x03";
  static constexpr const char* kCtrlD = "\x04";

  void Type(const std::string& text) const;
  // Types a key until `text` comes: a signal that reaches the editor just before it waits for a key
  // is noticed with the next one.
  void Press(const char* key, const std::string& text);
  // Waits until `text` has come after what was awaited last. Throws std::runtime_error with all
  // that came where it does not.
  void Await(const std::string& text);
  // Waits for the editor's prompt, and until it takes keys one by one: before that the terminal
  // keeps Ctrl-D for itself.
  void AwaitPrompt();
  // Until the program ends: its exit code, 128 + the signal when one ended it. Throws as Await().
  int Wait();
  // All that has come.
  const std::string& screen() const { return screen_; }

 private:
  bool ReadMore(int patience_ms);

  pid_t process_ = -1;
  int master_ = -1;
  std::string screen_;
  std::size_t seen_ = 0;
};

}  // namespace lockstep
