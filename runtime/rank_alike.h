#pragma once

#include <string>

#include "comm/groups/process_grid.h"
#include "runtime/model_files.h"
#include "runtime/options/arguments.h"
#include "runtime/world/rank_facts.h"

namespace lockstep {

// What keeps ranks from computing one text out of different models or with different settings:
// another checkpoint at the same path of another host, another --dtype, another program.

// The program's version, the command and every setting that all ranks must share; not where files
// lie, nor how a rank uses its host.
RankFacts SettingsOf(const Arguments& arguments);

// Everything that the shape of a model is, in words.
RankFacts FactsOf(const ModelSpec& spec);

// Compares the models: their shapes, every tensor's type, shape and a sample of its bytes, and on
// the first ranks of groups the files that turn text into tokens. Reads a few kilobytes a tensor.
// Throws BadInput, the same on every rank, naming a rank that differs. Collective over the world.
void CompareModels(const Arguments& arguments, const ModelFiles& model, const ProcessGrid& grid);

}  // namespace lockstep
