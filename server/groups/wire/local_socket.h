#pragma once

#include <string>

#include "server/groups/descriptor.h"

namespace lockstep {

// Sockets between processes of one user on this host. Their names are in no file system, so that
// nothing is left behind whoever is killed.

// Waits for one peer, under a name of its own.
class LocalListener {
 public:
  // Throws EnvironmentError.
  LocalListener();

  const std::string& name() const { return name_; }
  int number() const { return socket_.number(); }
  // Nothing: nobody has come yet, or a process of somebody else, who is sent away. Never waits.
  Descriptor Accept() const;

 private:
  std::string name_;
  Descriptor socket_;
};

// Throws EnvironmentError where nobody listens.
Descriptor ConnectTo(const std::string& name);

// Wakes a thread that polls.
class WakeUp {
 public:
  WakeUp();
  int number() const { return event_.number(); }
  void Ring() const;   // from any thread
  void Clear() const;  // by the thread that was woken

 private:
  Descriptor event_;
};

}  // namespace lockstep
