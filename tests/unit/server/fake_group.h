#pragma once

#include <string>
#include <vector>

namespace lockstep {

// This very program as the ranks of a group: started with the variable that a server sets, it
// answers that server as rank 0 does and runs no test. It makes the tokens 0, 1, 2, … of every
// request, behind those that were reached, and does what stands in the prompt:
//   "fail"       ends with an error before the first token
//   "killed PATH"  is killed before the first token, the first three times; counts them in the file
//   "die PATH"   is killed after two tokens, unless there is such a file, which it makes first
//   "stop PATH"  the same, but is stopped
//   "until PATH" answers nobody before there is such a file
//   "wait"       never answers
// The text of its tokens is that of its checkpoint, "t" at first. Others are loaded, but for
// "broken", which cannot be read, and "deadly", which is killed while it is read. Where there is a
// file at FAKE_GROUP_BROKEN, groups of more than one rank do not start.
std::vector<std::string> FakeGroupCommand();

}  // namespace lockstep
