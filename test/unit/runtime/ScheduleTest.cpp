//===- ScheduleTest.cpp ---------------------------------------------------===//

#include "core/Schedule.h"

#include "TestFiles.h"

#include <cmath>

using namespace fp8c::runtime;

static Schedule make(Schedule::Kind kind) {
  Schedule schedule;
  schedule.kind = kind;
  schedule.lr = 1;
  schedule.minLr = 0.1;
  schedule.steps = 101;
  schedule.warmup = 10;
  schedule.decaySteps = 20;
  return schedule;
}

TEST(Schedule, WarmsUpInALine) {
  for (Schedule::Kind kind : {Schedule::Kind::Cosine, Schedule::Kind::Linear,
                              Schedule::Kind::Constant, Schedule::Kind::WSD}) {
    EXPECT_DOUBLE_EQ(make(kind).at(1), 1.0 / 11);
    EXPECT_DOUBLE_EQ(make(kind).at(10), 10.0 / 11);
    EXPECT_DOUBLE_EQ(make(kind).at(11), 1);
  }
}

TEST(Schedule, Cosine) {
  Schedule schedule = make(Schedule::Kind::Cosine);
  EXPECT_DOUBLE_EQ(schedule.at(56), 0.55); // half way from 11 to 101
  EXPECT_DOUBLE_EQ(schedule.at(101), 0.1);
  EXPECT_DOUBLE_EQ(schedule.at(500), 0.1);
}

TEST(Schedule, Linear) {
  Schedule schedule = make(Schedule::Kind::Linear);
  EXPECT_DOUBLE_EQ(schedule.at(56), 0.55);
  EXPECT_NEAR(schedule.at(33) - schedule.at(34), 0.01, 1e-12);
  EXPECT_DOUBLE_EQ(schedule.at(101), 0.1);
}

TEST(Schedule, Constant) {
  EXPECT_DOUBLE_EQ(make(Schedule::Kind::Constant).at(101), 1);
}

TEST(Schedule, WarmupStableDecay) {
  Schedule schedule = make(Schedule::Kind::WSD);
  EXPECT_DOUBLE_EQ(schedule.at(50), 1);
  EXPECT_DOUBLE_EQ(schedule.at(82), 1);
  EXPECT_LT(schedule.at(83), 1);
  EXPECT_DOUBLE_EQ(schedule.at(101), 0.1);
}

TEST(Schedule, DecayOfOneStep) {
  Schedule schedule = make(Schedule::Kind::WSD);
  schedule.decaySteps = 1;
  EXPECT_DOUBLE_EQ(schedule.at(100), 1);
  EXPECT_DOUBLE_EQ(schedule.at(101), 0.1);
  schedule.minLr = 0;
  EXPECT_GT(schedule.at(101), 0);
}

// A step with a learning rate of 0 would be one that does nothing.
TEST(Schedule, EveryStepLearns) {
  for (Schedule::Kind kind :
       {Schedule::Kind::Cosine, Schedule::Kind::Linear, Schedule::Kind::WSD}) {
    Schedule schedule = make(kind);
    schedule.minLr = 0;
    for (int64_t step = 1; step < schedule.steps; ++step)
      EXPECT_GT(schedule.at(step), 0) << nameOf(kind) << " " << step;
    EXPECT_GT(schedule.at(101), 0);
    EXPECT_LT(schedule.at(101), 0.1);
    EXPECT_DOUBLE_EQ(schedule.at(102), 0);
  }
}

TEST(Schedule, ShortRuns) {
  Schedule schedule = make(Schedule::Kind::Cosine);
  schedule.warmup = 0;
  schedule.steps = 1;
  EXPECT_DOUBLE_EQ(schedule.at(1), 1);
  schedule.warmup = 5; // longer than the run
  EXPECT_DOUBLE_EQ(schedule.at(1), 1.0 / 6);
}

TEST(Schedule, Names) {
  EXPECT_EQ(scheduleFromName("wsd"), Schedule::Kind::WSD);
  EXPECT_STREQ(nameOf(Schedule::Kind::Linear), "linear");
  EXPECT_ERROR("unknown schedule", scheduleFromName("step"));
}
