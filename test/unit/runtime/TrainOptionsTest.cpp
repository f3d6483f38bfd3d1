//===- TrainOptionsTest.cpp -----------------------------------------------===//

#include "core/TrainOptions.h"

#include "TestFiles.h"

using namespace fp8c::runtime;

TEST(TrainOptions, JsonRoundTripIsExact) {
  TrainOptions options;
  options.steps = 1000000000000;
  options.lr = 0.1 + 0.2; // no short decimal
  options.schedule = "wsd";
  options.seed = ~uint64_t(0);
  Json json = Json::parse(options.toJson().dump());
  TrainOptions again = TrainOptions::fromJson(JsonField(json, "f"));
  EXPECT_EQ(again.steps, options.steps);
  EXPECT_EQ(again.lr, options.lr);
  EXPECT_EQ(again.schedule, options.schedule);
  EXPECT_EQ(again.seed, options.seed);
  EXPECT_EQ(again.toJson(), options.toJson());
}

TEST(TrainOptions, RefusesNonsense) {
  TrainOptions good;
  good.steps = 1;
  EXPECT_NO_THROW(good.check());
  auto expect = [&](const char *message, auto change) {
    TrainOptions bad = good;
    change(bad);
    EXPECT_ERROR(message, bad.check());
  };
  expect("--steps must be at least 1", [](auto &o) { o.steps = 0; });
  expect("--beta2 must be in [0, 1)", [](auto &o) { o.beta2 = 1; });
  expect("--accumulate must be", [](auto &o) { o.accumulate = 0; });
  expect("--clip cannot be negative", [](auto &o) { o.clip = -1; });
  expect("unknown schedule", [](auto &o) { o.schedule = "x"; });
  expect("--lr", [](auto &o) { o.lr = -1; });
}
