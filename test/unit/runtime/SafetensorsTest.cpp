//===- SafetensorsTest.cpp ------------------------------------------------===//

#include "core/Safetensors.h"

#include "core/Checksum.h"
#include "core/Json.h"
#include "core/OutputFile.h"

#include "TestFiles.h"

#include <cstring>

using namespace fp8c::runtime;

namespace {

SafetensorsEntry entry(const std::string &name, DataType type,
                       std::vector<int64_t> shape, unsigned char fill) {
  TensorSpec spec{name, type, std::move(shape)};
  return {spec, [=](unsigned char *destination) {
            std::memset(destination, fill, spec.bytes());
          }};
}

std::string withHeader(const std::string &header, const std::string &data) {
  uint64_t length = header.size();
  return std::string(reinterpret_cast<const char *>(&length), 8) + header +
         data;
}

} // namespace

TEST(Safetensors, RoundTrip) {
  TestFolder folder;
  {
    OutputFile file(folder / "t");
    writeSafetensors(file,
                     {entry("q", DataType::F8E4M3FN, {3}, 1),
                      entry("scalar", DataType::F32, {}, 2),
                      entry("b", DataType::BF16, {2, 1}, 3),
                      entry("ids", DataType::I64, {1, 2}, 4),
                      entry("none", DataType::F32, {0, 5}, 5)},
                     {{"key", "value"}});
    file.sync();
  }
  SafetensorsReader reader(folder / "t");
  EXPECT_EQ(reader.tensors().size(), 5u);
  auto expect = [&](const char *name, DataType type, std::vector<int64_t> shape,
                    unsigned char fill) {
    TensorSpec spec{name, type, std::move(shape)};
    const unsigned char *data = reader.find(spec);
    ASSERT_NE(data, nullptr) << name;
    for (uint64_t i = 0; i < spec.bytes(); ++i)
      EXPECT_EQ(data[i], fill) << name;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % sizeOf(type), 0u) << name;
  };
  expect("q", DataType::F8E4M3FN, {3}, 1);
  expect("scalar", DataType::F32, {}, 2);
  expect("b", DataType::BF16, {2, 1}, 3);
  expect("ids", DataType::I64, {1, 2}, 4);
  expect("none", DataType::F32, {0, 5}, 5);
  EXPECT_EQ(reader.find({"missing", DataType::F32, {}}), nullptr);
  EXPECT_ERROR("\"b\" is 2x1 bf16, the program has 2x1 f16",
               reader.find({"b", DataType::F16, {2, 1}}));
  EXPECT_ERROR("\"b\" is 2x1 bf16, the program has 2 bf16",
               reader.find({"b", DataType::BF16, {2}}));
}

TEST(Safetensors, RefusesDamage) {
  TestFolder folder;
  auto read = [&](const std::string &bytes) {
    SafetensorsReader reader(folder.write("t", bytes));
  };
  std::string header = R"({"a":{"dtype":"F32","shape":[2],)"
                       R"("data_offsets":[0,8]}})";
  std::string data(8, '\0');
  EXPECT_NO_THROW(read(withHeader(header, data)));
  EXPECT_ERROR("cut short", read("1234567"));
  EXPECT_ERROR("cut short", read(std::string(8, '\xff')));
  EXPECT_ERROR("header is not JSON", read(withHeader("{", data)));
  EXPECT_ERROR("expected an object", read(withHeader("[]", data)));
  EXPECT_ERROR("a.data_offsets: does not fit",
               read(withHeader(header, data.substr(1))));
  auto replaced = [&](const std::string &from, const std::string &to) {
    std::string copy = header;
    return withHeader(copy.replace(copy.find(from), from.size(), to), data);
  };
  EXPECT_ERROR("does not fit", read(replaced("[2]", "[3]")));
  EXPECT_ERROR("does not fit", read(replaced("[0,8]", "[8,0]")));
  EXPECT_ERROR("too large",
               read(replaced("[2]", "[4294967296,4294967296,4294967296]")));
  EXPECT_ERROR("\"F64\" is not supported", read(replaced("F32", "F64")));
}

TEST(Safetensors, DataHasNeitherGapsNorOverlaps) {
  TestFolder folder;
  auto read = [&](std::vector<std::pair<uint64_t, uint64_t>> ranges,
                  size_t dataBytes, const std::string &more = "") {
    OrderedJson header = OrderedJson::object();
    for (size_t i = 0; i < ranges.size(); ++i)
      header[std::string(1, char('a' + i))] = {
          {"dtype", "U8"},
          {"shape", {ranges[i].second - ranges[i].first}},
          {"data_offsets", {ranges[i].first, ranges[i].second}}};
    std::string text = header.dump();
    text.insert(1, more);
    SafetensorsReader(
        folder.write("t", withHeader(text, std::string(dataBytes, '\0'))));
  };
  EXPECT_NO_THROW(read({{4, 8}, {0, 4}, {8, 8}, {0, 0}}, 8));
  EXPECT_NO_THROW(read({{0, 4}}, 4, R"("__metadata__":{"k":"v"},)"));
  EXPECT_ERROR("the data of \"b\" overlaps", read({{0, 4}, {3, 8}}, 8));
  EXPECT_ERROR("overlaps another", read({{0, 4}, {0, 4}}, 4));
  EXPECT_ERROR("1 bytes before \"b\"", read({{0, 4}, {5, 8}}, 8));
  EXPECT_ERROR("1 bytes before \"a\"", read({{1, 4}}, 4));
  EXPECT_ERROR("the last 2 bytes", read({{0, 4}}, 6));
  EXPECT_ERROR("has \"a\" twice", read({{0, 4}}, 4, R"("a":{},)"));
  EXPECT_ERROR("__metadata__: expected an object",
               read({{0, 4}}, 4, R"("__metadata__":"x",)"));
  EXPECT_ERROR("__metadata__.k: expected a string",
               read({{0, 4}}, 4, R"("__metadata__":{"k":1},)"));
}

TEST(Safetensors, TheSumIsThatOfTheFile) {
  TestFolder folder;
  OutputFile file(folder / "t");
  FileSum sum = writeSafetensors(file, {entry("a", DataType::F32, {300}, 7)},
                                 {{"key", "value"}});
  file.sync();
  std::string bytes = folder.read("t");
  EXPECT_EQ(sum.bytes, bytes.size());
  EXPECT_EQ(sum.checksum, checksumOf(bytes.data(), bytes.size()));
}
