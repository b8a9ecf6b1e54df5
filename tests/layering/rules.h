#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::layering {

// The rules of docs/architecture.md that a machine can check: who may include whom, which
// libraries stay in which folder, and how long a file may get.

// The folders of the product, lowest level first.
std::vector<std::string> Folders();

// The product's source files below `root`, as paths relative to it ("layers/decoder.h"), sorted.
std::vector<std::string> SourceFiles(const std::filesystem::path& root);

// What the file breaks, one message "path:line: what; why" per violation. `path` is relative to
// the root of the source tree.
std::vector<std::string> Violations(std::string_view path, std::string_view text);

}  // namespace lockstep::layering
