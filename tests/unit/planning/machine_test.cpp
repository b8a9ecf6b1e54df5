#include "planning/machine/machine_yaml.h"

#include <gmock/gmock.h>

#include "core/files/file.h"
#include "planning/machine/machine_keys.h"
#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

constexpr const char* kSmall = R"(title: small
kind: cpu
node: {sockets: 1, cores: 2}
memory: {gib: 4, gb_s: 50, core_gb_s: 30}
arithmetic: {fp32: 100, bf16: 200, int8: 400, int4: 300}
links:
  cores: {latency_us: 0.5, gb_s: 10}
)";

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string ErrorOf(const std::string& text) {
  return MessageOf([&] { ParseMachine(text, "m.yaml"); });
}

TEST(ParseMachine, ReadsUnitsAsTheirKeysNameThem) {
  const Machine machine = ParseMachine(kSmall, "m.yaml");
  EXPECT_EQ(machine.title, "small");
  EXPECT_EQ(machine.kind, MachineKind::kCpu);
  EXPECT_EQ(machine.nodes, 1);
  EXPECT_EQ(machine.units_per_node(), 2);
  EXPECT_DOUBLE_EQ(machine.memory_bytes, 4.0 * 1024 * 1024 * 1024);
  EXPECT_DOUBLE_EQ(machine.bandwidth, 50e9);
  EXPECT_DOUBLE_EQ(machine.unit_bandwidth, 30e9);
  EXPECT_DOUBLE_EQ(machine.arithmetic[WeightFormat::kInt8], 400e9);
  ASSERT_TRUE(machine.link(LinkLevel::kCores).has_value());
  EXPECT_DOUBLE_EQ(machine.link(LinkLevel::kCores)->latency, 0.5e-6);
  EXPECT_DOUBLE_EQ(machine.link(LinkLevel::kCores)->bandwidth, 10e9);
  EXPECT_FALSE(machine.link(LinkLevel::kNetwork).has_value());
  // What is not said is the bound.
  EXPECT_EQ(machine.efficiency, Efficiency{});
  EXPECT_EQ(machine.overhead, Overhead{});
}

TEST(ParseMachine, NamesTheNearestKnownKey) {
  EXPECT_EQ(ErrorOf(Replaced(kSmall, "gb_s: 50", "gbs: 50")),
            "m.yaml:4:18: unknown key memory.gbs; the nearest known one is memory.gb_s");
  EXPECT_THAT(ErrorOf(std::string(kSmall) + "efficency: {cache: 1}\n"),
              HasSubstr("unknown key efficency; the nearest known one is efficiency"));
}

TEST(ParseMachine, SaysWhatIsMissing) {
  EXPECT_THAT(ErrorOf(Replaced(kSmall, "gib: 4, ", "")),
              HasSubstr("m.yaml: memory.gib is missing; expected a number from"));
  EXPECT_EQ(ErrorOf(Replaced(kSmall, ", gb_s: 10", "")),
            "m.yaml: links.cores.gb_s is missing; it is needed because a socket has several cores");
  EXPECT_THAT(ErrorOf(Replaced(kSmall, "sockets: 1", "sockets: 2")),
              HasSubstr("links.sockets.latency_us is missing; it is needed because a node has"));
  EXPECT_THAT(ErrorOf(std::string("nodes: 2\n") + kSmall),
              HasSubstr("links.network.latency_us is missing; it is needed because there are"));
}

TEST(ParseMachine, RefusesWhatTheOtherKindHas) {
  EXPECT_EQ(
      ErrorOf(Replaced(kSmall, "cores: 2", "cores: 2, gpus: 8")),
      "m.yaml: node.gpus is given, which a machine of the kind cpu does not have; leave it out");
  EXPECT_THAT(ErrorOf(Replaced(kSmall, "int4: 300", "int4: 300, fp16: 3")),
              HasSubstr("arithmetic.fp16 is given"));
}

TEST(ParseMachine, RefusesWrongValues) {
  EXPECT_EQ(ErrorOf(Replaced(kSmall, "gb_s: 50", "gb_s: -1")),
            "m.yaml:4:24: memory.gb_s is \"-1\"; expected a number from 0.001 to 1000000000");
  EXPECT_THAT(ErrorOf(Replaced(kSmall, "gb_s: 50", "gb_s: [1]")), HasSubstr("is a list"));
  EXPECT_THAT(ErrorOf(Replaced(kSmall, "gb_s: 50", "gb_s: null")), HasSubstr("is empty"));
  EXPECT_THAT(ErrorOf(Replaced(kSmall, "kind: cpu", "kind: tpu")),
              HasSubstr("is \"tpu\"; expected cpu or gpu"));
  EXPECT_THAT(ErrorOf(std::string(kSmall) + "title: again\n"), HasSubstr("given twice"));
  EXPECT_THAT(ErrorOf("7"), HasSubstr("expected keys such as"));
  EXPECT_THAT(ErrorOf(Replaced(kSmall, "node: {sockets: 1, cores: 2}", "node: 3")),
              HasSubstr("expected a section with keys of its own"));
}

class ShippedMachine : public testing::TestWithParam<std::string> {};

TEST_P(ShippedMachine, IsPrintedAsItIsRead) {
  const Machine machine = FindMachine(GetParam());
  const std::string text = PrintMachine(machine, "a comment");
  EXPECT_THAT(text, testing::StartsWith("# a comment\n"));
  EXPECT_EQ(PrintMachine(ParseMachine(text, "printed"), "a comment"), text);
}

TEST_P(ShippedMachine, IsTheFile) {
  const auto file = SourceFolder() / "configs/machines" / (GetParam() + ".yaml");
  EXPECT_EQ(ParseMachine(ReadFile(file), "file"), FindMachine(GetParam()));
}

// Whoever writes one of their own begins with a copy: it has every key, each with a comment.
TEST_P(ShippedMachine, SaysAndExplainsEveryKey) {
  const Machine machine = FindMachine(GetParam());
  const std::string text = ReadFile(SourceFolder() / "configs/machines" / (GetParam() + ".yaml"));
  for (const MachineKey& key : MachineKeys()) {
    if (!key.belongs_to(machine.kind)) continue;
    const std::string name = key.path.substr(key.path.rfind('.') + 1);
    EXPECT_THAT(text, HasSubstr(name + ":")) << key.path;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ShippedMachine, testing::ValuesIn(ShippedMachines()),
                         [](const auto& test) { return test.param; });

TEST(ShippedMachines, AreThoseThatAreNamed) {
  EXPECT_THAT(ShippedMachines(),
              testing::ElementsAre("a100", "amx", "avx2", "avx512", "h100", "h200"));
}

TEST(FindMachine, NamesTheNearest) {
  EXPECT_EQ(MessageOf([] { FindMachine("h10"); }),
            "--machine h10: no file, and no machine of this name; the nearest is h100, all are "
            "a100, amx, avx2, avx512, h100, h200, here");
}

TEST(FindMachine, ReadsAFile) {
  const TemporaryFolder folder;
  WriteText(folder / "mine.yaml", kSmall);
  EXPECT_EQ(FindMachine((folder / "mine.yaml").string()).title, "small");
  WriteText(folder / "bad.yaml", "title: x\n");
  EXPECT_THAT(MessageOf([&] { FindMachine((folder / "bad.yaml").string()); }),
              HasSubstr("bad.yaml: kind is missing"));
}

TEST(HostMachine, HasTheCoresAndMemoryOfThisProcess) {
  const Machine machine = FindMachine("here");
  EXPECT_EQ(machine.kind, MachineKind::kCpu);
  EXPECT_EQ(machine.nodes, 1);
  EXPECT_GE(machine.units_per_node(), 1);
  EXPECT_GT(machine.memory_bytes, 0.0);
  EXPECT_THAT(machine.title, HasSubstr("this host"));
}

TEST(WithoutLosses, LeavesTheHardware) {
  const Machine machine = FindMachine("h100");
  const Machine best = WithoutLosses(machine);
  EXPECT_EQ(best.bandwidth, machine.bandwidth);
  EXPECT_EQ(best.arithmetic, machine.arithmetic);
  EXPECT_EQ(best.efficiency.cache, 1.0);
  EXPECT_EQ(best.overhead.block, 0.0);
}

TEST(Computes, KnowsWhatTheProgramDoesWhere) {
  for (const auto& [format, on_cpu, on_gpu] :
       {std::tuple(WeightFormat::kF32, true, false), std::tuple(WeightFormat::kBF16, true, true),
        std::tuple(WeightFormat::kF16, false, true), std::tuple(WeightFormat::kInt8, true, true),
        std::tuple(WeightFormat::kInt4, true, true), std::tuple(WeightFormat::kF8, false, true)}) {
    EXPECT_EQ(Computes(MachineKind::kCpu, format), on_cpu) << Name(format);
    EXPECT_EQ(Computes(MachineKind::kGpu, format), on_gpu) << Name(format);
  }
}

}  // namespace
}  // namespace lockstep
