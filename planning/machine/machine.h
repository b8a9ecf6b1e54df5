#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "core/numbers/weight_format.h"

namespace lockstep {

// What a cluster of equal nodes can do, as a file of configs/machines/ says it. A unit is what
// computes: a core of a host, or a GPU. Units of a node that share one memory are a socket; a GPU
// has its memory for itself. Numbers are in SI units (bytes, seconds, operations), whatever the
// file has them in; an operation is a multiplication or an addition.

enum class MachineKind : std::uint8_t { kCpu, kGpu };

// Every format, in the order of a machine's file.
inline constexpr std::array kWeightFormats = {WeightFormat::kF32,  WeightFormat::kBF16,
                                              WeightFormat::kF16,  WeightFormat::kF8,
                                              WeightFormat::kInt8, WeightFormat::kInt4};

// Whether the program computes in this format there.
bool Computes(MachineKind kind, WeightFormat format);

// A number for each format of the weights.
class PerFormat {
 public:
  PerFormat() : PerFormat(1.0) {}
  explicit PerFormat(double value) { values_.fill(value); }

  double& operator[](WeightFormat format) { return values_[static_cast<std::size_t>(format)]; }
  double operator[](WeightFormat format) const { return values_[static_cast<std::size_t>(format)]; }
  bool operator==(const PerFormat&) const = default;

 private:
  std::array<double, kWeightFormats.size()> values_{};
};

// What ranks tell each other goes over the slowest link between them.
enum class LinkLevel : std::uint8_t {
  kCores,    // of one socket: shared memory
  kSockets,  // of one host
  kNvlink,   // between the GPUs of a node
  kNetwork,  // between nodes
  kHost      // from GPU to GPU of a node through its host's memory, as stages pass on activations
};

struct Link {
  double latency = 0.0;    // of the smallest message, in seconds
  double bandwidth = 0.0;  // bytes per second in one direction

  bool operator==(const Link&) const = default;
};

// How much of what the hardware could do the program gets out of it: 0.9 is 90 %. Fitted to
// measurements; 1 everywhere is the bound that no program can beat.
struct Efficiency {
  PerFormat weights;       // of the bandwidth, when weights are read
  double cache = 1.0;      // of the bandwidth, when keys and values are read
  PerFormat products;      // of the arithmetic, in products with weights
  double attention = 1.0;  // of the arithmetic, in products with keys and values
  // Of the bandwidth, for what a block hands from one operation to another.
  double activations = 1.0;
  // Of the shorter of reading weights and multiplying them, the share that the longer one hides.
  double overlap = 1.0;

  bool operator==(const Efficiency&) const = default;
};

// Time that depends on nothing but the number of blocks, in seconds.
struct Overhead {
  double block = 0.0;  // of each block: launches, or threads that wait for each other
  double step = 0.0;   // of each step: the scheduler, the choice of tokens

  bool operator==(const Overhead&) const = default;
};

struct Machine {
  std::string title;
  MachineKind kind = MachineKind::kCpu;

  std::int64_t nodes = 1;
  std::int64_t sockets = 1;  // of a node; of GPUs 1
  std::int64_t cores = 1;    // of a socket
  std::int64_t gpus = 0;     // of a node

  double memory_bytes = 0.0;    // of a socket, or of a GPU
  double bandwidth = 0.0;       // the same, bytes per second
  double unit_bandwidth = 0.0;  // of it, what one core can have alone

  // Operations per second of a unit, by what the format is multiplied as; 0: by nothing.
  PerFormat arithmetic = PerFormat(0.0);
  std::array<std::optional<Link>, 5> links;
  Efficiency efficiency;
  Overhead overhead;

  std::int64_t units_per_node() const { return kind == MachineKind::kGpu ? gpus : sockets * cores; }
  const std::optional<Link>& link(LinkLevel level) const {
    return links[static_cast<std::size_t>(level)];
  }
  std::optional<Link>& link(LinkLevel level) { return links[static_cast<std::size_t>(level)]; }
  bool operator==(const Machine&) const = default;
};

// The same of this machine: older GPUs do not multiply fp8.
bool Computes(const Machine& machine, WeightFormat format);

// "1 core", "4 GPUs".
std::string UnitsOf(const Machine& machine, std::int64_t count);

// The same hardware without any loss: every efficiency 1, no overhead, and activations that never
// leave the caches.
Machine WithoutLosses(Machine machine);

}  // namespace lockstep
