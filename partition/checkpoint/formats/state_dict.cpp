#include "partition/checkpoint/formats/state_dict.h"

#include <algorithm>
#include <array>
#include <map>

#include "core/error.h"
#include "partition/checkpoint/formats/pickle.h"
#include "partition/checkpoint/formats/tensor_file.h"

namespace lockstep {
namespace {

using Kind = PickleValue::Kind;
using Items = std::vector<PickleValue>;

// In the order of kAllowedGlobals.
enum Global : std::int64_t { kOrderedDict, kRebuildTensor, kRebuildParameter, kStorageType };

constexpr std::array<std::string_view, 4> kAllowedGlobals = {
    "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter",
    "torch.*Storage"};

bool IsCallOf(const PickleValue& value, Global global) {
  return value.kind == Kind::kCall && value.node->items[0].integer == global;
}

const Items& Arguments(const PickleValue& call) { return call.node->items[1].node->items; }

// Reads one entry of the state dict. Each step checks the kinds it relies on: the pickle may say
// anything.
class EntryReader {
 public:
  EntryReader(std::string_view where, std::string_view name) : where_(where), name_(name) {}

  // Throws unless `value` is a tensor or a parameter, which wraps one.
  StateDictTensor Read(const PickleValue& value) const {
    if (!IsCallOf(value, kRebuildParameter)) return ReadTensor(value);
    const Items& arguments = Arguments(value);
    Require(!arguments.empty(), "a parameter without a tensor");
    return ReadTensor(arguments[0]);
  }

 private:
  void Require(bool holds, std::string_view found) const {
    if (!holds)
      throw BadInput(
          "{}: the pickle describes {} as {}; expected a tensor as torch.save writes it; "
          "save the state dict again or convert it to safetensors",
          where_, Quoted(name_), found);
  }

  // _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])
  StateDictTensor ReadTensor(const PickleValue& value) const {
    Require(IsCallOf(value, kRebuildTensor), "something else");
    const Items& arguments = Arguments(value);
    Require(arguments.size() == 6 || arguments.size() == 7, "a tensor of too few or many parts");
    StateDictTensor tensor = ReadStorage(arguments[0]);
    tensor.name = name_;
    tensor.storage_offset = Number(arguments[1]);
    tensor.shape = Numbers(arguments[2]);
    tensor.strides = Numbers(arguments[3]);
    Require(tensor.shape.size() == tensor.strides.size(), "a tensor of fewer strides than extents");
    return tensor;
  }

  // A persistent id ('storage', torch.HalfStorage, '0', 'cpu', 1048576)
  StateDictTensor ReadStorage(const PickleValue& value) const {
    constexpr std::string_view kNoStorage = "a tensor without a storage";
    Require(value.kind == Kind::kPersistent, kNoStorage);
    const PickleValue& id = value.node->items[0];
    Require(id.kind == Kind::kTuple && id.node->items.size() == 5, kNoStorage);
    const Items& parts = id.node->items;
    Require(parts[0].kind == Kind::kString && parts[0].text == "storage", kNoStorage);
    Require(parts[1].kind == Kind::kGlobal && parts[1].integer == kStorageType, kNoStorage);
    Require(parts[2].kind == Kind::kString, kNoStorage);
    StateDictTensor tensor;
    tensor.storage_type = parts[1].text;
    tensor.storage_key = parts[2].text;
    tensor.storage_elements = Number(parts[4]);
    return tensor;
  }

  std::int64_t Number(const PickleValue& value) const {
    Require(value.kind == Kind::kInt && value.integer >= 0, "a tensor with an impossible number");
    return value.integer;
  }

  std::vector<std::int64_t> Numbers(const PickleValue& value) const {
    Require(value.kind == Kind::kTuple, "a tensor without shape or strides");
    std::vector<std::int64_t> numbers;
    for (const PickleValue& item : value.node->items) numbers.push_back(Number(item));
    return numbers;
  }

  std::string_view where_;
  std::string_view name_;
};

// Keys and values of the document's root, which must be a dictionary.
const Items& RootEntries(const PickleDocument& document, std::string_view where) {
  const PickleValue& root = document.root;
  if (root.kind == Kind::kDict) return root.node->items;
  if (IsCallOf(root, kOrderedDict)) return root.node->entries;
  throw BadInput(
      "{}: the pickle holds no dictionary of tensors; expected a state dict; save "
      "model.state_dict() with torch.save",
      where);
}

bool IsTensor(const PickleValue& value) {
  return IsCallOf(value, kRebuildTensor) || IsCallOf(value, kRebuildParameter);
}

}  // namespace

std::vector<StateDictTensor> ParseStateDict(std::span<const std::byte> pickle,
                                            std::string_view where) {
  const PickleDocument document = ParsePickle(pickle, kAllowedGlobals, where);
  const Items& entries = RootEntries(document, where);
  // As in Python, a key set twice keeps its last value.
  std::map<std::string_view, const PickleValue*> values;
  for (std::size_t i = 0; i + 1 < entries.size(); i += 2)
    if (entries[i].kind == Kind::kString) values[entries[i].text] = &entries[i + 1];
  std::vector<StateDictTensor> tensors;
  for (const auto& [name, value] : values)
    if (IsTensor(*value)) tensors.push_back(EntryReader(where, name).Read(*value));
  return tensors;
}

}  // namespace lockstep
