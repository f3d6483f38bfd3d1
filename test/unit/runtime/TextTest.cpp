//===- TextTest.cpp -------------------------------------------------------===//

#include "core/Text.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace fp8c::runtime;

TEST(Text, Thousands) {
  EXPECT_EQ(withThousands(0), "0");
  EXPECT_EQ(withThousands(999), "999");
  EXPECT_EQ(withThousands(16650), "16,650");
  EXPECT_EQ(withThousands(-1234567), "-1,234,567");
  EXPECT_EQ(withThousands(-123), "-123");
}

TEST(Text, Bytes) {
  EXPECT_EQ(bytesText(12), "12 B");
  EXPECT_EQ(bytesText(1536), "1.5 KiB");
  EXPECT_EQ(bytesText(uint64_t(3) << 40), "3.0 TiB");
  EXPECT_EQ(bytesText(uint64_t(5000) << 40), "5000.0 TiB");
}

TEST(Text, Durations) {
  EXPECT_EQ(durationText(0.4), "0s");
  EXPECT_EQ(durationText(59.6), "1m00s");
  EXPECT_EQ(durationText(112), "1m52s");
  EXPECT_EQ(durationText(3 * 3600 + 7 * 60), "3h07m");
  EXPECT_EQ(durationText(52 * 3600), "2d04h");
  EXPECT_EQ(durationText(NAN), "?");
}

TEST(Text, TableAlignsValues) {
  Table table;
  table.row("a", "1");
  table.row("long", "2");
  EXPECT_EQ(table.str(), "a     1\nlong  2\n");
}
