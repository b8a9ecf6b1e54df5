#include "partition/checkpoint/formats/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "partition/checkpoint/formats/state_dict.h"
#include "tests/support/message_of.h"
#include "tests/support/torch_bin_writer.h"

namespace lockstep {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Kind = PickleValue::Kind;

constexpr std::array<std::string_view, 2> kAllowed = {"collections.OrderedDict", "torch.*Storage"};

std::string ErrorFor(const std::string& pickle) {
  return MessageOf([&] { ParsePickle(std::as_bytes(std::span(pickle)), kAllowed, "model.bin"); });
}

std::string StateDictErrorFor(const std::string& pickle) {
  return MessageOf([&] { ParseStateDict(std::as_bytes(std::span(pickle)), "model.bin"); });
}

TEST(Pickle, ReadsEveryKindOfValue) {
  PickleWriter writer;
  writer.Proto().Raw("(N\x88\x89K\xff").Raw("M\xff\xff").Raw("J\xff\xff\xff\xff");
  writer.Int(std::int64_t{1} << 40).Raw("G12345678").String("text").Raw("]}");
  const std::string pickle = writer.Raw(")t").Finish();
  const auto document = ParsePickle(std::as_bytes(std::span(pickle)), kAllowed, "model.bin");
  ASSERT_EQ(document.root.kind, Kind::kTuple);
  const auto& items = document.root.node->items;
  const std::vector<Kind> kinds = {Kind::kNone,   Kind::kBool, Kind::kBool, Kind::kInt,
                                   Kind::kInt,    Kind::kInt,  Kind::kInt,  Kind::kFloat,
                                   Kind::kString, Kind::kList, Kind::kDict, Kind::kTuple};
  ASSERT_EQ(items.size(), kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) EXPECT_EQ(items[i].kind, kinds[i]) << i;
  EXPECT_EQ(items[3].integer, 255);
  EXPECT_EQ(items[4].integer, 65535);
  EXPECT_EQ(items[5].integer, -1);
  EXPECT_EQ(items[6].integer, std::int64_t{1} << 40);
  EXPECT_EQ(items[8].text, "text");
}

TEST(Pickle, ReadsShortIntegersWithTheirSign) {
  const std::string pickle = PickleWriter().Proto().Raw("\x8a\x01\xfe").Finish();
  EXPECT_EQ(ParsePickle(std::as_bytes(std::span(pickle)), kAllowed, "model.bin").root.integer, -2);
  const std::string zero = PickleWriter().Proto().Raw(std::string("\x8a\x00", 2)).Finish();
  EXPECT_EQ(ParsePickle(std::as_bytes(std::span(zero)), kAllowed, "model.bin").root.integer, 0);
}

TEST(Pickle, WritesCallsDownInsteadOfMakingThem) {
  const std::string pickle = PickleWriter().Proto().OrderedDict().Finish();
  const auto document = ParsePickle(std::as_bytes(std::span(pickle)), kAllowed, "model.bin");
  ASSERT_EQ(document.root.kind, Kind::kCall);
  EXPECT_EQ(document.root.node->items[0].kind, Kind::kGlobal);
  EXPECT_EQ(document.root.node->items[0].text, "OrderedDict");
}

TEST(Pickle, RefusesAForbiddenGlobalByName) {
  const std::string attack =
      PickleWriter().Proto().Global("os", "system").String("true").Raw("\x85R").Finish();
  EXPECT_THAT(ErrorFor(attack),
              AllOf(HasSubstr("model.bin"), HasSubstr("names \"os.system\""),
                    HasSubstr("collections.OrderedDict"), HasSubstr("could run any program"),
                    HasSubstr("convert it to safetensors")));
}

TEST(Pickle, RefusesGlobalsThatOnlyResembleAllowedOnes) {
  const auto global = [](std::string_view module, std::string_view name) {
    return PickleWriter().Proto().Global(module, name).Finish();
  };
  for (const auto& pickle :
       {global("torch", "evil.Storage"), global("torch.storage", "UntypedStorage"),
        global("torch", "FloatStorage2"), global("xtorch", "FloatStorage"),
        global("collections", "OrderedDictX"), global("torch", "Float_Storage"),
        global("torch", "Storag"), global("", ""), global("torch\x1b", "system")})
    EXPECT_THAT(ErrorFor(pickle), HasSubstr("weights do not need"));
}

TEST(Pickle, RefusesOpcodesThatWeightsDoNotNeed) {
  for (const std::string_view opcode :
       {"i", "o", "\x81", "\x93", "\x82", "P", "I1\n", "p1\n", "0", "1", "2"})
    EXPECT_THAT(ErrorFor(PickleWriter().Proto().Raw("N").Raw(opcode).Finish()),
                AllOf(HasSubstr("uses the opcode 0x"), HasSubstr("at its byte 3")))
        << static_cast<int>(opcode[0]);
}

TEST(Pickle, RefusesOtherProtocols) {
  EXPECT_THAT(ErrorFor(PickleWriter().Proto(4).Raw("N").Finish()),
              AllOf(HasSubstr("has protocol 4; expected 2"), HasSubstr("pickle_protocol=2")));
  EXPECT_THAT(ErrorFor("N."), HasSubstr("does not start with a protocol"));
}

TEST(Pickle, RefusesEveryTruncation) {
  const std::string pickle = OneTensorPickle({});
  for (std::size_t size = 0; size < pickle.size(); ++size)
    EXPECT_THAT(ErrorFor(pickle.substr(0, size)).empty(), false) << size;
  EXPECT_THAT(StateDictErrorFor(pickle.substr(0, pickle.size() - 1)),
              AllOf(HasSubstr("the pickle ends at its byte"), HasSubstr("truncated")));
}

TEST(Pickle, RefusesMisuseOfTheStack) {
  const auto error = [](std::string_view opcodes) {
    return ErrorFor(PickleWriter().Proto().Raw(opcodes).Finish());
  };
  EXPECT_THAT(error(""), HasSubstr("takes more from its stack"));
  EXPECT_THAT(error("\x86"), HasSubstr("takes more from its stack"));
  EXPECT_THAT(error("("), HasSubstr("uses a mark as a value"));
  EXPECT_THAT(error("(q\x01"), HasSubstr("uses a mark as a value"));
  EXPECT_THAT(error("(N\x86"), HasSubstr("uses a mark as a value"));
  EXPECT_THAT(error("Nt"), HasSubstr("a mark that it never set"));
  EXPECT_THAT(error("h\x07"), HasSubstr("refers to an object that it never made"));
  EXPECT_THAT(error("NNa"), HasSubstr("puts items into something else"));
  EXPECT_THAT(error("}(Nu"), HasSubstr("sets a key without a value"));
  EXPECT_THAT(error("N)R"), HasSubstr("calls something that is no function"));
  EXPECT_THAT(error("ccollections\nOrderedDict\nNR"), HasSubstr("is no function"));
  EXPECT_THAT(error("NNb"), HasSubstr("sets attributes of something"));
  EXPECT_THAT(error("\x8a\x09"
                    "123456789"),
              HasSubstr("more than 64 bits"));
}

// Python doubles such a pickle's memory with every line; here each opcode costs one value.
TEST(Pickle, BearsAMemoBomb) {
  PickleWriter writer;
  writer.Proto().Raw(")q").Raw(std::string(1, '\0'));
  for (int i = 0; i < 200; ++i) {
    const char from = static_cast<char>(i);
    const char to = static_cast<char>(i + 1);
    writer.Raw("h").Raw({&from, 1}).Raw("h").Raw({&from, 1}).Raw("\x86q").Raw({&to, 1});
  }
  const std::string pickle = writer.Finish();
  const auto document = ParsePickle(std::as_bytes(std::span(pickle)), kAllowed, "model.bin");
  EXPECT_EQ(document.nodes.size(), 201u);
}

TEST(Pickle, BearsNestingOfAnyDepthAndCircles) {
  const std::string deep =
      PickleWriter().Proto().Raw("N").Raw(std::string(500'000, '\x85')).Finish();
  EXPECT_EQ(ParsePickle(std::as_bytes(std::span(deep)), kAllowed, "model.bin").nodes.size(),
            500'000u);
  const std::string circle = PickleWriter()
                                 .Proto()
                                 .Raw(
                                     "]q\x01h\x01"
                                     "a")
                                 .Finish();
  const auto document = ParsePickle(std::as_bytes(std::span(circle)), kAllowed, "model.bin");
  EXPECT_EQ(document.root.node->items[0].node, document.root.node);
}

TEST(Pickle, RefusesMoreOpcodesThanAnyModelNeeds) {
  EXPECT_THAT(
      ErrorFor(PickleWriter().Proto().Raw(std::string(kMaxPickleOpcodes + 1, 'N')).Finish()),
      HasSubstr("more than 1000000 opcodes"));
}

TEST(StateDict, ReadsATensorsWindow) {
  const std::string pickle = OneTensorPickle({.storage_type = "HalfStorage",
                                              .key = "12",
                                              .storage_elements = 99,
                                              .offset = 3,
                                              .shape = {4, 5},
                                              .strides = {10, 2}});
  const auto tensors = ParseStateDict(std::as_bytes(std::span(pickle)), "model.bin");
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].name, "weight");
  EXPECT_EQ(tensors[0].storage_type, "HalfStorage");
  EXPECT_EQ(tensors[0].storage_key, "12");
  EXPECT_EQ(tensors[0].storage_elements, 99);
  EXPECT_EQ(tensors[0].storage_offset, 3);
  EXPECT_THAT(tensors[0].shape, ElementsAre(4, 5));
  EXPECT_THAT(tensors[0].strides, ElementsAre(10, 2));
}

TEST(StateDict, RefusesAPickleThatHoldsSomethingElse) {
  EXPECT_THAT(StateDictErrorFor(PickleWriter().Proto().Raw("]").Finish()),
              AllOf(HasSubstr("no dictionary of tensors"), HasSubstr("model.state_dict()")));
}

TEST(StateDict, RefusesTensorsPutTogetherWrongly) {
  const auto error = [](std::string_view arguments) {
    PickleWriter writer;
    writer.Proto().Raw("}").String("weight").Global("torch._utils", "_rebuild_tensor_v2");
    return StateDictErrorFor(writer.Raw(arguments).Raw("Rs").Finish());
  };
  EXPECT_THAT(error(")"), AllOf(HasSubstr("describes \"weight\" as a tensor of too few"),
                                HasSubstr("convert it to safetensors")));
  EXPECT_THAT(error("(NNNNNNt"), HasSubstr("a tensor without a storage"));
  EXPECT_THAT(error("(NQK\x01NNNNt"), HasSubstr("a tensor without a storage"));
}

TEST(StateDict, RefusesImpossibleNumbers) {
  EXPECT_THAT(StateDictErrorFor(OneTensorPickle({.offset = -1})), HasSubstr("impossible number"));
  EXPECT_THAT(StateDictErrorFor(OneTensorPickle({.shape = {2, -2}})),
              HasSubstr("impossible number"));
  EXPECT_THAT(StateDictErrorFor(OneTensorPickle({.strides = {-2, 1}})),
              HasSubstr("impossible number"));
  EXPECT_THAT(StateDictErrorFor(OneTensorPickle({.strides = {1}})), HasSubstr("fewer strides"));
}

}  // namespace
}  // namespace lockstep
