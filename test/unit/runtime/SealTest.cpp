//===- SealTest.cpp - JSON files that carry their own checksum ------------===//

#include "core/Seal.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace fp8c::runtime;

TEST(Seal, LeavesTheObjectAsItWas) {
  const nlohmann::ordered_json object = {{"step", 3},
                                         {"name", "a \"checksum\": b"}};
  for (int indent : {1, 2, 4}) {
    const std::string text = seal(object.dump(indent) + "\n");
    EXPECT_EQ(checkSeal(text), Seal::Intact);
    auto read = nlohmann::ordered_json::parse(text);
    read.erase("checksum");
    EXPECT_EQ(read, object);
  }
}

TEST(Seal, ToleratesItsAbsence) {
  EXPECT_EQ(checkSeal("{\n \"step\": 3\n}\n"), Seal::None);
  EXPECT_EQ(checkSeal(""), Seal::None);
}

/// Each flip is noticed, makes the text no JSON, or hides the checksum itself
/// and leaves the rest as it was.
TEST(Seal, NoticesEveryBit) {
  const nlohmann::ordered_json object = {{"step", 3}, {"loss", 0.5}};
  const std::string text = seal(object.dump(2) + "\n");
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string damaged = text;
    damaged[bit / 8] = char(damaged[bit / 8] ^ 1 << bit % 8);
    const Seal seal = checkSeal(damaged);
    EXPECT_NE(seal, Seal::Intact) << damaged;
    auto read = nlohmann::ordered_json::parse(damaged, nullptr, false);
    if (seal == Seal::None && read.is_object())
      for (const auto &[key, value] : object.items())
        EXPECT_EQ(read.value(key, nlohmann::ordered_json()), value) << damaged;
  }
}
