#pragma once

#include <filesystem>
#include <string_view>

#include "runtime/options/option_table.h"
#include "runtime/options/options.h"

namespace lockstep {

// Sets in `options` what a YAML text says; everything else stays. `where` names the text in
// messages. Throws BadInput "where:line:column: ..." for invalid YAML, an unknown key (with the
// nearest known one), a key given twice, and a value of the wrong type or out of range.
void ApplyYaml(Options& options, std::string_view text, std::string_view where);

// The same for a file, or for the name of a configuration that comes with the program
// ("pythia-1.4b", with or without ".yaml") where there is no such file. A relative model.path,
// model.tokenizer or model.generation_config that does not exist below the working directory is
// looked for beside the file.
void ApplyConfigFile(Options& options, const std::filesystem::path& named);

// "[a, 'b c']" as a list value. Throws BadInput.
ConfigValue ParseYamlList(std::string_view text, std::string_view where);

}  // namespace lockstep
