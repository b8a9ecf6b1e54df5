#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// The files that come with the program: configurations and demo models. They are looked for from
// where the program is, so that an installation may be moved: ../share/lockstep, as installed, or
// share/lockstep beside the program, as in a build folder. May be called from any thread.

// The file or folder `name`, such as "models/shakespeare-neox"; none where it is not there.
std::optional<std::filesystem::path> FindShipped(const std::filesystem::path& name);

// The names in the folder `name`, sorted; none where it is not there.
std::vector<std::string> ShippedNames(const std::filesystem::path& name);

// The same for a program in the folder `program`.
std::optional<std::filesystem::path> FindShippedWith(const std::filesystem::path& program,
                                                     const std::filesystem::path& name);

}  // namespace lockstep
