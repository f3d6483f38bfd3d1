//===- ManifestTest.cpp ---------------------------------------------------===//

#include "core/Manifest.h"

#include "core/Contract.h"
#include "core/Json.h"
#include "core/Parts.h"
#include "core/Seal.h"

#include "TestFiles.h"

using namespace fp8c::runtime;

namespace {

Json valid() {
  return Json::parse(R"({
    "format": 1, "compiler": "test", "target": "cpu", "recipe": "f32",
    "fingerprint": "f", "model": {"name": "m", "vocab": 4, "seq": 2},
    "hyper": ["lr", "step"],
    "variables_bytes": 128, "arena_bytes": 64,
    "variables": [
      {"name": "w", "dtype": "f32", "shape": [2, 3], "offset": 0, "bytes": 24,
       "role": "parameter", "init": {"kind": "normal", "mean": 0, "std": 0.5}},
      {"name": "w.q", "dtype": "f8E4M3FN", "shape": [2, 3], "offset": 64,
       "bytes": 6, "role": "compute_weight", "of": "w"}],
    "functions": {"f": {
      "inputs": [{"name": "x", "dtype": "i64", "shape": [1, 2]}],
      "outputs": [{"name": "y", "dtype": "f32", "shape": []}]}}
  })");
}

Manifest read(const Json &json) {
  TestFolder folder;
  return Manifest::read(folder.write("manifest.json", json.dump()));
}

} // namespace

TEST(Manifest, ReadsEverything) {
  Manifest manifest = read(valid());
  EXPECT_EQ(manifest.target, "cpu");
  EXPECT_EQ(manifest.model.vocab, 4);
  EXPECT_EQ(manifest.hyper, (std::vector<std::string>{"lr", "step"}));
  ASSERT_EQ(manifest.variables.size(), 2u);
  const Variable &weight = manifest.variables[0];
  EXPECT_EQ(weight.bytes(), 24u);
  EXPECT_EQ(weight.init.kind, Initializer::Kind::Normal);
  EXPECT_EQ(weight.init.std, 0.5);
  EXPECT_EQ(manifest.variables[1].of, "w");
  EXPECT_EQ(manifest.bytesOf(Role::ComputeWeight), 6u);
  const FunctionSpec &function = manifest.functions.at("f");
  EXPECT_EQ(function.inputs[0].type, DataType::I64);
  EXPECT_EQ(function.outputs[0].bytes(), 4u); // a scalar
  EXPECT_EQ(manifest.findVariable("none"), nullptr);
  EXPECT_EQ(manifest.plannedBytes(), 128u + 64u);
}

TEST(Manifest, FindsInputsAndOutputsByRole) {
  Json json = valid();
  json["functions"]["f"] = Json::parse(R"({
    "inputs": [{"name": "mask", "dtype": "f32", "shape": [1, 2]},
               {"name": "y", "dtype": "i64", "shape": [1, 2],
                "role": "labels", "ids": 3, "ignore_index": 2},
               {"name": "x", "dtype": "i64", "shape": [1, 2],
                "role": "tokens", "ids": 9}],
    "outputs": [{"name": "hidden", "dtype": "f32", "shape": [1, 2, 4]},
                {"name": "scores", "dtype": "f32", "shape": [1, 2, 5],
                 "role": "logits"},
                {"name": "error", "dtype": "f32", "shape": [1],
                 "role": "loss"}]})");
  const FunctionSpec function = read(json).functions.at("f");
  EXPECT_EQ(function.tokens(), 2u);
  EXPECT_EQ(function.labels(), 1u);
  EXPECT_EQ(function.logits(), 1u);
  EXPECT_EQ(function.loss(), 2u);
  EXPECT_EQ(function.inputs[1].role, InputRole::Labels);
  EXPECT_EQ(function.inputs[1].ids, 3);
  EXPECT_EQ(function.inputs[1].ignoreIndex, 2);
  json["functions"]["f"]["inputs"][2]["role"] = "words";
  EXPECT_ERROR("unknown role \"words\"", read(json));
  json["functions"]["f"]["inputs"][2]["role"] = "tokens";
  json["functions"]["f"]["inputs"][2]["dtype"] = "f32";
  EXPECT_ERROR("tokens are i64, not f32", read(json));
}

TEST(Manifest, OfOlderProgramsNamesAreRoles) {
  Json json = valid();
  json["functions"]["f"] = Json::parse(R"({
    "inputs": [{"name": "tokens", "dtype": "i64", "shape": [1, 2]},
               {"name": "targets", "dtype": "i64", "shape": [1, 2]}],
    "outputs": [{"name": "loss", "dtype": "f32", "shape": []},
                {"name": "logits", "dtype": "f32", "shape": [1, 2, 5]}]})");
  const FunctionSpec function = read(json).functions.at("f");
  EXPECT_EQ(function.tokens(), 0u);
  EXPECT_EQ(function.labels(), 1u);
  EXPECT_EQ(function.inputs[1].role, InputRole::LabelsNext);
  EXPECT_EQ(function.loss(), 0u);
  EXPECT_EQ(function.logits(), 1u);
}

TEST(Manifest, PlansTheWorkspaceOfGPUs) {
  Json json = valid();
  json["workspace_bytes"] = 32;
  EXPECT_EQ(read(json).plannedBytes(), 128u + 64u + 32u);
}

TEST(Manifest, SaysWhatIsWrong) {
  auto expect = [](const char *message, const char *pointer, Json value) {
    Json json = valid();
    json[Json::json_pointer(pointer)] = std::move(value);
    EXPECT_ERROR(message, read(json));
  };
  expect("format: is 2; this runtime reads 1", "/format", 2);
  expect("target: expected a string", "/target", 1);
  expect("arena_bytes: expected a non-negative integer", "/arena_bytes", -1);
  expect("variables: expected an array", "/variables", 1);
  expect("variables[0].dtype: unknown dtype \"f64\"", "/variables/0/dtype",
         "f64");
  expect("variables[0].bytes: is 20, but 2x3 f32 takes 24",
         "/variables/0/bytes", 20);
  expect("variables[0]: lies outside the variables block",
         "/variables/0/offset", 108);
  expect("variables[0].offset: is not aligned", "/variables/0/offset", 2);
  expect("variables \"w\" and \"w.q\" overlap", "/variables/1/offset", 23);
  expect("two variables are called \"w\"", "/variables/1/name", "w");
  expect("belongs to \"v\", which does not exist", "/variables/1/of", "v");
  expect("variables[0].role: unknown role", "/variables/0/role", "weight");
  expect("variables[0].init.kind: unknown kind", "/variables/0/init/kind", "x");
  expect("variables[0].shape: the tensor is too large", "/variables/0/shape",
         {1000000000, 1000000000, 1000000000});
  // Without elements no product overflows, but no extent may be above 2^63 - 1.
  expect("variables[0].shape[1]: is too large", "/variables/0/shape",
         {0, uint64_t(1) << 63});
  expect("functions.f.inputs[0]: has no \"name\"", "/functions/f/inputs/0",
         Json::object());
}

TEST(Manifest, ReadsParts) {
  Json json = valid();
  Json &weight = json["variables"][0];
  weight.erase("init");
  weight["parts"] = Json::parse(R"({"dim": 1, "of": [
    {"name": "a", "size": 1, "init": {"kind": "constant", "value": 2}},
    {"name": "b", "size": 2, "init": {"kind": "normal", "std": 0.5}}]})");
  json["variables"][1]["parts"] = {{"of", {{{"name", "a.q"}}}}};
  Manifest manifest = read(json);
  const Variable &whole = manifest.variables[0];
  EXPECT_EQ(whole.init.kind, Initializer::Kind::Parts);
  EXPECT_EQ(whole.partRows, 2u);
  ASSERT_EQ(whole.parts.size(), 2u);
  EXPECT_EQ(whole.parts[0].init.value, 2);
  EXPECT_EQ(whole.parts[1].name, "b");
  EXPECT_EQ(whole.parts[1].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(whole.parts[1].offset, 4u);
  // What there is once is whole in every part.
  EXPECT_EQ(manifest.variables[1].parts[0].shape, manifest.variables[1].shape);

  // Rows of both, and back.
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  std::vector<float> part(4), again(6);
  auto bytes = [](auto &of) {
    return reinterpret_cast<unsigned char *>(of.data());
  };
  takePart(whole, whole.parts[1],
           reinterpret_cast<const unsigned char *>(values.data()), bytes(part));
  EXPECT_EQ(part, (std::vector<float>{2, 3, 5, 6}));
  putPart(whole, whole.parts[1], bytes(part), bytes(again));
  EXPECT_EQ(again, (std::vector<float>{0, 2, 3, 0, 5, 6}));

  // A model that keeps them apart is the same one.
  const std::string joined = manifest.modelFingerprint();
  Json apart = json;
  apart["variables"].erase(1);
  apart["variables"][0] = Json::parse(R"({"name": "a", "dtype": "f32",
    "shape": [2, 1], "offset": 0, "bytes": 8, "role": "parameter"})");
  apart["variables"].push_back(Json::parse(R"({"name": "b", "dtype": "f32",
    "shape": [2, 2], "offset": 8, "bytes": 16, "role": "parameter"})"));
  EXPECT_EQ(read(apart).modelFingerprint(), joined);
}

TEST(Manifest, PartsAreAllOfTheirVariable) {
  const struct {
    const char *parts, *error;
  } cases[] = {
      {R"({"dim": 2, "of": [{"name": "a", "size": 3}]})",
       "is no dimension of 2x3"},
      {R"({"dim": 1, "of": [{"name": "a", "size": 4}]})",
       "is more than there is of 2x3"},
      {R"({"dim": 1, "of": [{"name": "a", "size": 2}]})", "are not all of 2x3"},
      {R"({"dim": 1, "of": []})", "are not all of 2x3"},
      {R"({"dim": 1, "of": [{"name": "a", "size": -3}]})", "size"},
      {R"({"dim": 1, "of": [{"name": "w.q", "size": 3}]})",
       "two variables are called \"w.q\""},
      {R"({"of": [{"name": "a", "init": {"kind": "amax", "of": "w"}}]})",
       "starts from another variable"},
      {R"({"dim": 0, "of": [{"name": "a", "size": 2,
           "init": {"kind": "file", "offset": 0, "bytes": 8}}]})",
       "6 f32 values take 24"}};
  for (const auto &[parts, error] : cases) {
    Json json = valid();
    json["variables"][0]["parts"] = Json::parse(parts);
    EXPECT_ERROR(error, read(json));
  }
}

TEST(Manifest, RefusesDeepNesting) {
  TestFolder folder;
  auto nested = [&](size_t depth) {
    return folder.write("manifest.json",
                        std::string(depth, '[') + std::string(depth, ']'));
  };
  EXPECT_ERROR("expected an object", Manifest::read(nested(64)));
  EXPECT_ERROR("not valid JSON", Manifest::read(nested(65)));
  EXPECT_ERROR("not valid JSON", Manifest::read(nested(1000000)));
}

TEST(Manifest, ReadsSitesAndOperands) {
  Json json = valid();
  json["variables"][1]["site"] = {{"format", "f8E5M2"}, {"values", 6}};
  Json &output = json["functions"]["f"]["outputs"][0];
  output["shape"] = {1, 2};
  output["role"] = "gradient";
  output["uses"] = {{{"op", "fc"},
                     {"gemm", "wgrad"},
                     {"operand", "dy"},
                     {"contracting", {0}}}};
  Manifest manifest = read(json);
  EXPECT_FALSE(manifest.variables[0].site);
  ASSERT_TRUE(manifest.variables[1].site);
  EXPECT_EQ(manifest.variables[1].site->format, DataType::F8E5M2);
  EXPECT_EQ(manifest.variables[1].site->values, 6u);
  const OutputSpec &operand = manifest.functions.at("f").outputs[0];
  EXPECT_EQ(operand.role, "gradient");
  ASSERT_EQ(operand.uses.size(), 1u);
  EXPECT_EQ(operand.uses[0].op + "." + operand.uses[0].operand, "fc.dy");
  EXPECT_EQ(operand.uses[0].contracting, std::vector<int64_t>{0});

  output["uses"][0]["contracting"] = {2};
  EXPECT_ERROR("contracting[0]: is no dimension", read(json));
  output.erase("uses");
  json["variables"][1]["site"]["format"] = "f8";
  EXPECT_ERROR("variables[1].site.format: unknown dtype", read(json));
}

TEST(Manifest, ChecksInitialData) {
  Json json = valid();
  Json &init = json["variables"][0]["init"];
  init = {{"kind", "file"}, {"offset", 8}, {"bytes", 24}};
  EXPECT_EQ(read(json).variables[0].init.offset, 8u);
  init["bytes"] = 20;
  EXPECT_ERROR("variables[0].init.bytes: is 20, but 6 f32 values take 24",
               read(json));
  init = {{"kind", "values"}, {"values", {1, 2, 3, 4, 5, 6, 7}}};
  EXPECT_ERROR("has more values than the variable", read(json));
}

TEST(Manifest, Fingerprint) {
  // SHA-256 of {"recipe":"f32","variables":[],"functions":{…}}, on one line,
  // however the manifest is printed: checkpoints hold it.
  const char *text = R"({"arena_bytes": 1, "recipe": "f32", "functions":
      {"f": {"x": [1.50, "\u00e4"]}}, "variables": []})";
  EXPECT_EQ(fingerprintOf(OrderedJson::parse(text)),
            "36e9d28d935ac1d1ffd13d99709baae22d877d9307a87cce9503c9fb2a1b04e4");
}

namespace {

/// As the compiler writes it.
std::string sealed() {
  OrderedJson json = OrderedJson::parse(valid().dump());
  json["compiler"] = "fp8c 0";
  json["hyper"] = {"lr",           "beta1",     "beta2", "eps",
                   "weight_decay", "clip_norm", "step",  "grad_scale"};
  json["fingerprint"] = fingerprintOf(json);
  json["files"] = {
      {"program.so", {{"bytes", 1}, {"checksum", "xxh3:0000000000000000"}}}};
  return seal(json.dump(1));
}

} // namespace

TEST(Manifest, FlippedBitsAreNoticed) {
  TestFolder folder;
  const std::string whole = sealed();
  Manifest manifest = Manifest::read(folder.write("manifest.json", whole));
  EXPECT_EQ(manifest.note, "");
  EXPECT_EQ(manifest.files.at("program.so").bytes, 1u);
  for (size_t i = 0; i < whole.size(); ++i) { // another bit of every byte
    std::string text = whole;
    text[i] = static_cast<char>(text[i] ^ (1 << i % 8));
    const std::string path = folder.write("manifest.json", text);
    EXPECT_ERROR("manifest.json", Manifest::read(path)) << "byte " << i;
  }
}

TEST(Manifest, OlderOnesHaveTheirFingerprint) {
  OrderedJson json = OrderedJson::parse(sealed());
  json.erase("files");
  json.erase("checksum");
  TestFolder folder;
  auto readNow = [&](Checks checks = Checks::On) {
    return Manifest::read(folder.write("manifest.json", json.dump()), checks);
  };
  EXPECT_EQ(readNow().note, "the program has no checksums: damage to it would "
                            "not be noticed");
  json["variables"][0]["role"] = "gradient";
  EXPECT_ERROR("fingerprint: is ", readNow());
  EXPECT_TRUE(contains(readNow(Checks::Off).note, "fingerprint: is "));
  json["compiler"] = "by hand"; // whose fingerprints are anything
  EXPECT_FALSE(contains(readNow().note, "fingerprint"));
}

TEST(Manifest, SizesMustFit) {
  auto expect = [](const char *message, auto edit) {
    Json json = Json::parse(sealed());
    edit(json);
    TestFolder folder;
    std::string path = folder.write("manifest.json", json.dump());
    EXPECT_ERROR(message, Manifest::read(path, Checks::Off));
  };
  expect("arena_bytes: is 64, and the program needs at least 65",
         [](Json &json) { json["arena_lower_bound"] = 65; });
  expect("hyper: is not the list",
         [](Json &json) { json["hyper"] = {"step"}; });
  expect("hyper: is not the list",
         [](Json &json) { std::swap(json["hyper"][0], json["hyper"][1]); });
  expect("model.vocab: is 4, but forward gives 1x2x3", [](Json &json) {
    json["functions"]["forward"] = {
        {"inputs", Json::array()},
        {"outputs", {{{"name", "y"}, {"dtype", "f32"}, {"shape", {1, 2, 3}}}}}};
  });
  expect("model.seq: is negative",
         [](Json &json) { json["model"]["seq"] = -1; });
  expect("target: is \"../x\"", [](Json &json) { json["target"] = "../x"; });
  expect("\"w\" starts from what initial.bin does not have", [](Json &json) {
    json["variables"][0]["init"] = {
        {"kind", "file"}, {"offset", 8}, {"bytes", 24}};
    json["files"]["initial.bin"] = {{"bytes", 31}, {"checksum", ""}};
  });
}

TEST(Manifest, NotJson) {
  TestFolder folder;
  EXPECT_ERROR("not valid JSON",
               Manifest::read(folder.write("manifest.json", "{")));
  EXPECT_ERROR("cannot read: No such file", Manifest::read(folder / "none"));
}
