//===- DataTypeTest.cpp ---------------------------------------------------===//

#include "core/DataType.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace fp8c::runtime;

static uint32_t code(DataType type, double value) {
  uint32_t bits = 0;
  storeElement(type, value, &bits);
  return bits;
}

TEST(DataType, NamesGoBothWays) {
  for (DataType type : {DataType::F32, DataType::BF16, DataType::F16,
                        DataType::F8E4M3FN, DataType::F8E5M2, DataType::I64,
                        DataType::I32, DataType::UI8, DataType::I1}) {
    EXPECT_EQ(dataTypeFromName(nameOf(type)), type);
    EXPECT_EQ(dataTypeFromSafetensors(safetensorsNameOf(type)), type);
  }
  EXPECT_FALSE(dataTypeFromName("f64"));
}

TEST(DataType, StoresExactValues) {
  EXPECT_EQ(code(DataType::F32, 1), 0x3f800000u);
  EXPECT_EQ(code(DataType::BF16, -2), 0xc000u);
  EXPECT_EQ(code(DataType::F16, 1), 0x3c00u);
  EXPECT_EQ(code(DataType::F8E4M3FN, 1), 0x38u);
  EXPECT_EQ(code(DataType::F8E5M2, 1), 0x3cu);
  EXPECT_EQ(code(DataType::F16, 0x1p-24), 0x0001u);   // smallest subnormal
  EXPECT_EQ(code(DataType::F8E4M3FN, 0x1p-9), 0x01u); // smallest subnormal
  EXPECT_EQ(code(DataType::F8E4M3FN, -0.0), 0x80u);
  EXPECT_EQ(code(DataType::F8E4M3FN, 448), 0x7eu);
  EXPECT_EQ(code(DataType::I1, 3), 1u);
}

TEST(DataType, RoundsToNearestEven) {
  EXPECT_EQ(code(DataType::F8E4M3FN, 17), 0x58u);      // 16 | 18: even is 16
  EXPECT_EQ(code(DataType::F8E4M3FN, 19), 0x5au);      // 18 | 20: even is 20
  EXPECT_EQ(code(DataType::F8E4M3FN, 0x1p-10), 0x00u); // half the smallest
  EXPECT_EQ(code(DataType::F8E4M3FN, 0x1.8p-9), 0x02u);
  EXPECT_EQ(code(DataType::F8E4M3FN, 15.9), 0x58u); // carries
  EXPECT_EQ(code(DataType::BF16, 1 + 0x1p-8), 0x3f80u);
  EXPECT_EQ(code(DataType::BF16, 1 + 0x3p-8), 0x3f82u);
}

TEST(DataType, SaturatesAndOverflows) {
  double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(code(DataType::F8E4M3FN, 1e6), 0x7eu);
  EXPECT_EQ(code(DataType::F8E4M3FN, -infinity), 0xfeu);
  EXPECT_EQ(code(DataType::F8E5M2, infinity), 0x7bu);
  EXPECT_EQ(code(DataType::F16, 65519), 0x7bffu);
  EXPECT_EQ(code(DataType::F16, 65520), 0x7c00u);
  EXPECT_EQ(code(DataType::BF16, infinity), 0x7f80u);
}

TEST(DataType, KeepsNaN) {
  EXPECT_EQ(code(DataType::F8E4M3FN, std::nan("")), 0x7fu);
  EXPECT_EQ(code(DataType::F8E5M2, std::nan("")), 0x7fu);
  EXPECT_EQ(code(DataType::BF16, std::nan("")), 0x7fc0u);
}

TEST(DataType, LoadsWhatItStores) {
  for (DataType type :
       {DataType::BF16, DataType::F16, DataType::F8E4M3FN, DataType::F8E5M2})
    for (uint32_t bits = 0; bits < 1u << (8 * sizeOf(type)); ++bits) {
      double value = loadElement(type, &bits);
      if (std::isfinite(value)) {
        EXPECT_EQ(code(type, value), bits) << nameOf(type);
      }
    }
  auto load = [](DataType type, uint32_t bits) {
    return loadElement(type, &bits);
  };
  EXPECT_EQ(load(DataType::F8E4M3FN, 0x7e), 448);
  EXPECT_EQ(load(DataType::F8E4M3FN, 0x81), -0x1p-9);
  EXPECT_TRUE(std::isnan(load(DataType::F8E4M3FN, 0xff)));
  EXPECT_EQ(load(DataType::F8E5M2, 0x7b), 57344);
  EXPECT_TRUE(std::isinf(load(DataType::F8E5M2, 0x7c)));
  EXPECT_TRUE(std::isnan(load(DataType::F8E5M2, 0x7d)));
  EXPECT_EQ(load(DataType::F16, 0x0001), 0x1p-24);
  EXPECT_TRUE(std::isinf(load(DataType::BF16, 0xff80)));
  EXPECT_EQ(load(DataType::F32, 0x3f800000), 1);
}
