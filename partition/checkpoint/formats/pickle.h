#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

namespace lockstep {

struct PickleNode;

// A value out of a pickle: small ones in place, the others by pointer into the document.
struct PickleValue {
  enum class Kind : std::uint8_t {
    kNone,
    kBool,        // integer
    kInt,         // integer
    kFloat,       // never looked at, so not kept
    kString,      // text
    kGlobal,      // integer: which of the allowed globals; text: its name without the module
    kTuple,       // node->items
    kList,        // node->items
    kDict,        // node->items: key, value, key, value, …
    kCall,        // node->items: callable, arguments; node->entries: what was set in its result
    kPersistent,  // node->items: the id
    kMark         // on the stack only
  };

  Kind kind = Kind::kNone;
  std::int64_t integer = 0;
  std::string_view text = {};  // into the pickle's bytes
  PickleNode* node = nullptr;
};

struct PickleNode {
  std::vector<PickleValue> items;
  std::vector<PickleValue> entries;  // of a kCall: key, value, key, value, …
};

// What a pickle describes. Values point into each other, possibly in circles, and into the
// pickle's bytes: both must outlive them. Owning all nodes in one flat list keeps circles from
// leaking and deep nesting from overflowing the stack when they are destroyed.
struct PickleDocument {
  PickleValue root;
  std::deque<PickleNode> nodes;
};

// Reads a pickle of protocol 2 without executing anything: a call is written down as a kCall, a
// class as its name. Only the opcodes that torch.save uses are known, and only `allowed_globals`
// ("module.name"; a '*' stands for any letters and digits). Memory is bounded: each opcode adds at
// most one value, and kMaxPickleOpcodes are accepted.
//   where  the file's name, for messages
// Throws BadInput naming the forbidden opcode or global.
PickleDocument ParsePickle(std::span<const std::byte> bytes,
                           std::span<const std::string_view> allowed_globals,
                           std::string_view where);

// A tensor takes about 25 opcodes, so that these are enough for 40,000 of them.
inline constexpr std::size_t kMaxPickleOpcodes = 1'000'000;

}  // namespace lockstep
