#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "planning/machine/machine.h"

namespace lockstep {

// A machine of a file of configs/machines/. `where` names it in messages. Throws BadInput
// "where:line:column: ..." for invalid YAML, an unknown key (with the nearest known one), a key
// given twice, one that belongs to the other kind of machine, a value out of range, and keys that
// are missing.
Machine ParseMachine(std::string_view text, std::string_view where);

// The same machine as such a file, each key with its explanation. `comment` stands at its head.
std::string PrintMachine(const Machine& machine, std::string_view comment);

// What the program brings along: the names of configs/machines/ without ".yaml".
std::vector<std::string> ShippedMachines();

// The name of HostMachine().
inline constexpr std::string_view kThisHost = "here";

// A name of ShippedMachines(), "here" (HostMachine()), or a file. Throws BadInput where it is none
// of them, with the nearest name.
Machine FindMachine(const std::string& name);

// The host that this process runs on: the shipped machine of its instruction set, with the cores
// and the memory that this process may use.
Machine HostMachine();

}  // namespace lockstep
