#include "planning/machine/machine_keys.h"

#include <utility>

#include "runtime/options/option_types.h"

namespace lockstep {
namespace {

enum class Where : std::uint8_t { kBoth, kCpu, kGpu };
enum class Needed : std::uint8_t { kNo, kYes };

constexpr double kGiga = 1e9, kMicro = 1e-6, kGib = 1024.0 * 1024.0 * 1024.0;

template <typename Type, typename Access>
MachineKey Key(std::string path, std::string help, const Type& type, Access access) {
  MachineKey key;
  key.path = std::move(path);
  key.help = std::move(help);
  key.expected = type.Expected();
  key.set = [access, type](Machine& machine, const ConfigValue& value) {
    access(machine) = type.Parse(value);
  };
  key.print = [access, type](const Machine& machine) {
    Machine copy = machine;
    return type.Print(access(copy));
  };
  return key;
}

// A number that a file has in other units: `unit` of ours are one of the file's.
struct Quantity {
  NumberType type;
  double unit = 1.0;
};

template <typename Access>
MachineKey Number(std::string path, std::string help, const Quantity& quantity, Access access) {
  MachineKey key = Key(std::move(path), std::move(help), quantity.type, access);
  key.set = [access, quantity](Machine& machine, const ConfigValue& value) {
    access(machine) = quantity.unit * quantity.type.Parse(value);
  };
  key.print = [access, quantity](const Machine& machine) {
    Machine copy = machine;
    // Six digits are more than anybody measures, and are read as they were written.
    return fmt::format("{:.6g}", access(copy) / quantity.unit);
  };
  return key;
}

MachineKey Of(Where where, Needed needed, MachineKey key) {
  key.on_cpu = where != Where::kGpu;
  key.on_gpu = where != Where::kCpu;
  key.required = needed == Needed::kYes;
  return key;
}

constexpr IntegerType kCount{1, 1 << 20};
constexpr NumberType kShare{0.001, 2.0};
constexpr NumberType kOverlap{0.0, 1.0};
constexpr NumberType kRate{1e-3, 1e9};
constexpr NumberType kRateOrNone{1e-3, 1e9, NumberType::Zero::kToo};
constexpr NumberType kTime{1e-6, 1e9, NumberType::Zero::kToo};

void AddShape(std::vector<MachineKey>& keys) {
  keys.push_back(Of(
      Where::kBoth, Needed::kYes,
      Key(
          "title", "what it is called", TextType{}, [](Machine & m) -> auto& { return m.title; })));
  const ChoiceType<MachineKind> kinds{{{"cpu", MachineKind::kCpu}, {"gpu", MachineKind::kGpu}}};
  keys.push_back(Of(Where::kBoth, Needed::kYes,
                    Key(
                        "kind", "what computes: the cores of hosts, or GPUs", kinds,
                        [](Machine & m) -> auto& { return m.kind; })));
  keys.push_back(Of(Where::kBoth, Needed::kNo,
                    Key(
                        "nodes", "equal nodes on one network", kCount,
                        [](Machine & m) -> auto& { return m.nodes; })));
  keys.push_back(Of(Where::kCpu, Needed::kYes,
                    Key(
                        "node.sockets", "memories of a node, each with its cores", kCount,
                        [](Machine & m) -> auto& { return m.sockets; })));
  keys.push_back(
      Of(Where::kCpu, Needed::kYes,
         Key(
             "node.cores", "of a socket", kCount, [](Machine & m) -> auto& { return m.cores; })));
  keys.push_back(
      Of(Where::kGpu, Needed::kYes,
         Key(
             "node.gpus", "of a node", kCount, [](Machine & m) -> auto& { return m.gpus; })));
}

void AddMemory(std::vector<MachineKey>& keys) {
  keys.push_back(Of(Where::kBoth, Needed::kYes,
                    Number(
                        "memory.gib", "of a socket, or of a GPU", {kRate, kGib},
                        [](Machine & m) -> auto& { return m.memory_bytes; })));
  keys.push_back(Of(Where::kBoth, Needed::kYes,
                    Number(
                        "memory.gb_s", "that a socket, or a GPU, reads", {kRate, kGiga},
                        [](Machine & m) -> auto& { return m.bandwidth; })));
  keys.push_back(Of(Where::kCpu, Needed::kYes,
                    Number(
                        "memory.core_gb_s", "of it, what one core reads alone", {kRate, kGiga},
                        [](Machine & m) -> auto& { return m.unit_bandwidth; })));
}

Where WhereOf(WeightFormat format) {
  if (!Computes(MachineKind::kGpu, format)) return Where::kCpu;
  return Computes(MachineKind::kCpu, format) ? Where::kBoth : Where::kGpu;
}

void AddArithmetic(std::vector<MachineKey>& keys) {
  for (const WeightFormat format : kWeightFormats) {
    // Older GPUs have none for fp8.
    const bool fp8 = format == WeightFormat::kF8;
    keys.push_back(
        Of(WhereOf(format), fp8 ? Needed::kNo : Needed::kYes,
           Number(
               fmt::format("arithmetic.{}", Name(format)), "10^9 operations/s of a core or GPU",
               {fp8 ? kRateOrNone : kRate, kGiga}, [format](Machine & m) -> auto& {
                 return m.arithmetic[format];
               })));
  }
}

void AddLinks(std::vector<MachineKey>& keys) {
  struct Level {
    LinkLevel level;
    const char* name;
    const char* latency_of;
    Where where;
  };
  for (const Level& one :
       {Level{LinkLevel::kCores, "cores", "of a small all-reduce between two ranks of one socket",
              Where::kCpu},
        Level{LinkLevel::kSockets, "sockets", "of a small all-reduce between two sockets of a host",
              Where::kCpu},
        Level{LinkLevel::kNvlink, "nvlink", "of a small all-reduce between two GPUs of a node",
              Where::kGpu},
        Level{LinkLevel::kHost, "host",
              "of a small message from GPU to GPU of a node through the host's memory",
              Where::kGpu},
        Level{LinkLevel::kNetwork, "network", "of a small all-reduce between two nodes",
              Where::kBoth}}) {
    const LinkLevel level = one.level;
    const auto link = [level](Machine& m) -> Link& {
      std::optional<Link>& value = m.link(level);
      if (!value) value.emplace();
      return *value;
    };
    MachineKey latency = Number(
        fmt::format("links.{}.latency_us", one.name), one.latency_of,
        {kTime, kMicro}, [link](Machine & m) -> auto& { return link(m).latency; });
    MachineKey bandwidth = Number(
        fmt::format("links.{}.gb_s", one.name), "in one direction",
        {kRate, kGiga}, [link](Machine & m) -> auto& { return link(m).bandwidth; });
    for (MachineKey* key : {&latency, &bandwidth}) {
      key->print = [level, print = key->print](const Machine& machine) {
        return machine.link(level) ? print(machine) : std::string();
      };
      keys.push_back(Of(one.where, Needed::kNo, std::move(*key)));
    }
  }
}

void AddEfficiency(std::vector<MachineKey>& keys) {
  for (const WeightFormat format : kWeightFormats)
    keys.push_back(Of(
        WhereOf(format), Needed::kNo,
        Number(
            fmt::format("efficiency.weights.{}", Name(format)), "of the bandwidth, reading weights",
            {kShare}, [format](Machine & m) -> auto& { return m.efficiency.weights[format]; })));
  keys.push_back(Of(Where::kBoth, Needed::kNo,
                    Number(
                        "efficiency.cache", "of the bandwidth, reading keys and values", {kShare},
                        [](Machine & m) -> auto& { return m.efficiency.cache; })));
  for (const WeightFormat format : kWeightFormats)
    keys.push_back(Of(
        WhereOf(format), Needed::kNo,
        Number(
            fmt::format("efficiency.products.{}", Name(format)),
            "of the arithmetic, in products with weights",
            {kShare}, [format](Machine & m) -> auto& { return m.efficiency.products[format]; })));
  keys.push_back(Of(Where::kBoth, Needed::kNo,
                    Number(
                        "efficiency.attention", "of the arithmetic, in attention", {kShare},
                        [](Machine & m) -> auto& { return m.efficiency.attention; })));
  keys.push_back(Of(Where::kBoth, Needed::kNo,
                    Number(
                        "efficiency.activations", "of the bandwidth, between operations", {kShare},
                        [](Machine & m) -> auto& { return m.efficiency.activations; })));
  keys.push_back(
      Of(Where::kBoth, Needed::kNo,
         Number(
             "efficiency.overlap",
             "of reading and multiplying weights, the share of the shorter that is hidden",
             {kOverlap}, [](Machine & m) -> auto& { return m.efficiency.overlap; })));
}

void AddOverhead(std::vector<MachineKey>& keys) {
  keys.push_back(Of(Where::kBoth, Needed::kNo,
                    Number(
                        "overhead.block_us", "of each block of a step", {kTime, kMicro},
                        [](Machine & m) -> auto& { return m.overhead.block; })));
  keys.push_back(Of(Where::kBoth, Needed::kNo,
                    Number(
                        "overhead.step_us", "of each step", {kTime, kMicro},
                        [](Machine & m) -> auto& { return m.overhead.step; })));
}

}  // namespace

const std::vector<MachineKey>& MachineKeys() {
  static const std::vector<MachineKey> all = [] {
    std::vector<MachineKey> keys;
    AddShape(keys);
    AddMemory(keys);
    AddArithmetic(keys);
    AddLinks(keys);
    AddEfficiency(keys);
    AddOverhead(keys);
    return keys;
  }();
  return all;
}

}  // namespace lockstep
