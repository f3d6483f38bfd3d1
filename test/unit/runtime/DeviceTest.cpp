//===- DeviceTest.cpp -----------------------------------------------------===//

#include "core/Device.h"

#include "TestFiles.h"

using namespace fp8c::runtime;

TEST(CheckArchitecture, NewerGpusRunOlderCode) {
  EXPECT_NO_THROW(checkArchitecture("", 0)); // a program for the CPU
  EXPECT_NO_THROW(checkArchitecture("sm_89", 89));
  EXPECT_NO_THROW(checkArchitecture("sm_89", 90));
  EXPECT_NO_THROW(checkArchitecture("sm_90", 120));
}

TEST(CheckArchitecture, OlderGpusDoNot) {
  EXPECT_EQ(errorOf([] { checkArchitecture("sm_90", 89); }),
            "the program is built for sm_90, but this GPU has compute "
            "capability 8.9");
  EXPECT_EQ(errorOf([] { checkArchitecture("sm_120", 100); }),
            "the program is built for sm_120, but this GPU has compute "
            "capability 10.0");
}

TEST(CheckArchitecture, NamesWhatItDoesNotKnow) {
  EXPECT_EQ(errorOf([] { checkArchitecture("gfx942", 90); }),
            "the program is built for \"gfx942\", which this runtime does not "
            "know");
}
