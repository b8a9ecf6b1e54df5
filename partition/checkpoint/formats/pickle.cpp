#include "partition/checkpoint/formats/pickle.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string>

#include "core/error.h"
#include "partition/checkpoint/foreign_weights.h"
#include "partition/checkpoint/formats/byte_reader.h"
#include "partition/checkpoint/formats/tensor_file.h"

// Written after the opcode list of Python's pickletools module.

namespace lockstep {
namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view kUnsafe =
    "loading it with Python could run any program; if you trust it, convert it to safetensors";
constexpr std::string_view kDamaged = "the pickle is damaged; download the file again";

bool IsWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Whether `name` is `pattern`, in which one '*' may stand for letters and digits.
bool Matches(std::string_view name, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return name == pattern;
  const std::string_view head = pattern.substr(0, star);
  const std::string_view tail = pattern.substr(star + 1);
  if (name.size() < head.size() + tail.size()) return false;
  if (!name.starts_with(head) || !name.ends_with(tail)) return false;
  const auto middle = name.substr(head.size(), name.size() - head.size() - tail.size());
  return std::all_of(middle.begin(), middle.end(), IsWordCharacter);
}

class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, std::span<const std::string_view> allowed_globals,
                std::string_view where)
      : reader_(bytes, where, "the pickle"), allowed_globals_(allowed_globals), where_(where) {}

  PickleDocument Run() {
    if (reader_.U8() != kProto) throw Damaged("does not start with a protocol number");
    const int protocol = reader_.U8();
    if (protocol != 2)
      throw BadInput(
          "{}: the pickle has protocol {}; expected 2, which torch.save writes unless "
          "told otherwise; save it again with pickle_protocol=2",
          where_, protocol);
    for (std::size_t count = 0;; ++count) {
      if (count == kMaxPickleOpcodes)
        throw BadInput("{}: the pickle has more than {} opcodes, far more than a model needs; {}",
                       where_, kMaxPickleOpcodes, kUnsafe);
      const std::uint8_t opcode = reader_.U8();
      if (opcode == kStop) break;
      Execute(opcode);
    }
    document_.root = Pop();
    return std::move(document_);
  }

 private:
  enum Opcode : std::uint8_t {
    kProto = 0x80,
    kStop = '.',
    kMarkObject = '(',
    kNoneObject = 'N',
    kNewTrue = 0x88,
    kNewFalse = 0x89,
    kBinInt = 'J',
    kBinInt1 = 'K',
    kBinInt2 = 'M',
    kLong1 = 0x8a,
    kBinFloat = 'G',
    kBinUnicode = 'X',
    kEmptyTuple = ')',
    kTupleOfMarked = 't',
    kTuple1 = 0x85,
    kTuple2 = 0x86,
    kTuple3 = 0x87,
    kEmptyList = ']',
    kAppend = 'a',
    kAppends = 'e',
    kEmptyDict = '}',
    kSetItem = 's',
    kSetItems = 'u',
    kBinPut = 'q',
    kLongBinPut = 'r',
    kBinGet = 'h',
    kLongBinGet = 'j',
    kGlobalName = 'c',
    kReduce = 'R',
    kBuild = 'b',
    kBinPersistentId = 'Q'
  };

  void Execute(std::uint8_t opcode) {
    switch (opcode) {
      case kMarkObject: return Push({.kind = Kind::kMark});
      case kNoneObject: return Push({});
      case kNewTrue: return Push({.kind = Kind::kBool, .integer = 1});
      case kNewFalse: return Push({.kind = Kind::kBool});
      case kBinInt: return PushInt(static_cast<std::int32_t>(reader_.U32()));
      case kBinInt1: return PushInt(reader_.U8());
      case kBinInt2: return PushInt(reader_.U16());
      case kLong1: return PushInt(LongInteger());
      case kBinFloat: reader_.Skip(8); return Push({.kind = Kind::kFloat});
      case kBinUnicode: return Push({.kind = Kind::kString, .text = reader_.Text(reader_.U32())});
      case kEmptyTuple: return PushNode(Kind::kTuple, {});
      case kTupleOfMarked: return PushNode(Kind::kTuple, PopMarked());
      case kTuple1: return PushNode(Kind::kTuple, PopSome(1));
      case kTuple2: return PushNode(Kind::kTuple, PopSome(2));
      case kTuple3: return PushNode(Kind::kTuple, PopSome(3));
      case kEmptyList: return PushNode(Kind::kList, {});
      case kAppend: return Extend(PopSome(1), Kind::kList);
      case kAppends: return Extend(PopMarked(), Kind::kList);
      case kEmptyDict: return PushNode(Kind::kDict, {});
      case kSetItem: return Extend(PopSome(2), Kind::kDict);
      case kSetItems: return Extend(PopMarked(), Kind::kDict);
      case kBinPut: return Memorise(reader_.U8());
      case kLongBinPut: return Memorise(reader_.U32());
      case kBinGet: return Recall(reader_.U8());
      case kLongBinGet: return Recall(reader_.U32());
      case kGlobalName: return PushGlobal();
      case kReduce: return PushCall();
      case kBuild: return Build();
      case kBinPersistentId: return PushNode(Kind::kPersistent, PopSome(1));
      default:
        throw BadInput(
            "{}: the pickle uses the opcode 0x{:02x} at its byte {}, which torch.save "
            "does not write for tensors; {}",
            where_, opcode, reader_.position() - 1, kUnsafe);
    }
  }

  Error Damaged(std::string_view what) const {
    return BadInput("{}: the pickle {} (at its byte {}); {}", where_, what, reader_.position(),
                    kDamaged);
  }

  void Push(PickleValue value) { stack_.push_back(value); }

  void PushInt(std::int64_t value) { Push({.kind = Kind::kInt, .integer = value}); }

  void PushNode(Kind kind, std::vector<PickleValue> items) {
    document_.nodes.push_back({std::move(items), {}});
    Push({.kind = kind, .node = &document_.nodes.back()});
  }

  PickleValue Pop() { return PopSome(1).front(); }

  std::vector<PickleValue> PopSome(std::size_t count) {
    if (stack_.size() < count) throw Damaged("takes more from its stack than lies there");
    const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<PickleValue> values(first, stack_.end());
    stack_.erase(first, stack_.end());
    for (const PickleValue& value : values)
      if (value.kind == Kind::kMark) throw Damaged("uses a mark as a value");
    return values;
  }

  std::vector<PickleValue> PopMarked() {
    const auto mark = std::find_if(stack_.rbegin(), stack_.rend(), [](const PickleValue& value) {
      return value.kind == Kind::kMark;
    });
    if (mark == stack_.rend()) throw Damaged("looks for a mark that it never set");
    std::vector<PickleValue> values = PopSome(static_cast<std::size_t>(mark - stack_.rbegin()));
    stack_.pop_back();
    return values;
  }

  // The object under construction that an opcode changes in place.
  PickleValue& Top() {
    if (stack_.empty()) throw Damaged("changes an object where none lies");
    return stack_.back();
  }

  // Adds to the list or dictionary on top. A call's result may be a dictionary too.
  void Extend(std::vector<PickleValue> values, Kind kind) {
    PickleValue& target = Top();
    const bool is_call = target.kind == Kind::kCall && kind == Kind::kDict;
    if (target.kind != kind && !is_call) throw Damaged("puts items into something else");
    if (kind == Kind::kDict && values.size() % 2 != 0) throw Damaged("sets a key without a value");
    auto& into = is_call ? target.node->entries : target.node->items;
    into.insert(into.end(), values.begin(), values.end());
  }

  void Memorise(std::uint32_t index) {
    if (Top().kind == Kind::kMark) throw Damaged("uses a mark as a value");
    memo_[index] = Top();
  }

  void Recall(std::uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) throw Damaged("refers to an object that it never made");
    Push(found->second);
  }

  // Two's complement of any length; PyTorch writes sizes and offsets above 2^31 this way.
  std::int64_t LongInteger() {
    const std::string_view digits = reader_.Text(reader_.U8());
    if (digits.size() > 8) throw Damaged("holds an integer of more than 64 bits");
    if (digits.empty()) return 0;
    std::uint64_t value = (digits.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = digits.size(); i-- > 0;)
      value = value << 8 | static_cast<std::uint8_t>(digits[i]);
    return static_cast<std::int64_t>(value);
  }

  void PushGlobal() {
    const std::string_view module = reader_.Line();
    const std::string_view name = reader_.Line();
    const std::string full = fmt::format("{}.{}", module, name);
    const auto allowed =
        std::find_if(allowed_globals_.begin(), allowed_globals_.end(),
                     [&](std::string_view pattern) { return Matches(full, pattern); });
    if (const auto program = QuantiserOf(full);
        allowed == allowed_globals_.end() && !program.empty())
      throw BadInput("{}: the pickle names {}: the weights are quantised (by {}); {}", where_,
                     Quoted(full), program, kQuantisedRemedy);
    if (allowed == allowed_globals_.end())
      throw BadInput("{}: the pickle names {}, which weights do not need; allowed are only {}; {}",
                     where_, Quoted(full), fmt::join(allowed_globals_, ", "), kUnsafe);
    Push({.kind = Kind::kGlobal, .integer = allowed - allowed_globals_.begin(), .text = name});
  }

  void PushCall() {
    std::vector<PickleValue> values = PopSome(2);
    if (values[0].kind != Kind::kGlobal || values[1].kind != Kind::kTuple)
      throw Damaged("calls something that is no function");
    PushNode(Kind::kCall, std::move(values));
  }

  // Sets attributes, which is how a state dict's _metadata comes along. Not needed: dropped.
  void Build() {
    PopSome(1);
    if (Top().kind != Kind::kCall && Top().kind != Kind::kDict)
      throw Damaged("sets attributes of something that has none");
  }

  ByteReader reader_;
  std::span<const std::string_view> allowed_globals_;
  std::string_view where_;
  PickleDocument document_;
  std::vector<PickleValue> stack_;
  std::map<std::uint32_t, PickleValue> memo_;
};

}  // namespace

PickleDocument ParsePickle(std::span<const std::byte> bytes,
                           std::span<const std::string_view> allowed_globals,
                           std::string_view where) {
  return PickleMachine(bytes, allowed_globals, where).Run();
}

}  // namespace lockstep
