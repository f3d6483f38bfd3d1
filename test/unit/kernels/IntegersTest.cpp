//===- IntegersTest.cpp - Integers modulo 2^bits, against wider ones ------===//

#include "kernels/common/integers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace fp8c;

namespace {

template <class T> class Integers : public testing::Test {
protected:
  using Limits = std::numeric_limits<T>;
  const T values[13] = {0,
                        1,
                        -1,
                        2,
                        -3,
                        T(1) << 24,
                        -(T(1) << 24) - 1,
                        T(1) << (Limits::digits / 2),
                        Limits::max() / 2 + 1,
                        Limits::max() - 1,
                        Limits::max(),
                        T(Limits::min() + 1),
                        Limits::min()};
};
using Signed = testing::Types<int32_t, int64_t>;
TYPED_TEST_SUITE(Integers, Signed);

TYPED_TEST(Integers, AreExactModuloTheirSize) {
  using T = TypeParam;
  using Wide = __int128; // holds every result before it is cut
  for (const T a : this->values)
    for (const T b : this->values) {
      EXPECT_EQ(add(a, b), T(Wide(a) + b)) << a << " " << b;
      EXPECT_EQ(subtract(a, b), T(Wide(a) - b)) << a << " " << b;
      EXPECT_EQ(multiply(a, b), T(Wide(a) * b)) << a << " " << b;
      EXPECT_EQ(divide(a, b), b == 0 ? T(0) : T(Wide(a) / b)) << a << " " << b;
      EXPECT_EQ(smaller(a, b), std::min(a, b));
      EXPECT_EQ(larger(a, b), std::max(a, b));
      EXPECT_EQ(select(a < b, a, b), std::min(a, b));
    }
}

TYPED_TEST(Integers, FloatsBecomeThemTowardsZero) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  const float beyond = std::ldexp(1.0f, Limits::digits);
  const float infinity = std::numeric_limits<float>::infinity();
  const struct {
    float from;
    T to;
  } cases[] = {{0.0f, 0},
               {-0.9f, 0},
               {2.9f, 2},
               {-2.9f, -2},
               {16777216.0f, 16777216},
               {std::nextafter(beyond, 0.0f),
                T(std::ldexp((1 << 24) - 1, Limits::digits - 24))},
               {beyond, Limits::max()},
               {infinity, Limits::max()},
               {-beyond, Limits::min()},
               {std::nextafter(-beyond, -infinity), Limits::min()},
               {-infinity, Limits::min()},
               {std::nanf(""), 0}};
  for (const auto &c : cases)
    EXPECT_EQ(convert<T>(c.from), c.to) << c.from;
  EXPECT_EQ(convert<float>(T(-16777217)), -16777216.0f);
  EXPECT_EQ(convert<T>(true), T(1));
}

TEST(Truth, IsComputedFromBothSides) {
  for (const bool a : {false, true})
    for (const bool b : {false, true}) {
      EXPECT_EQ(both(a, b), a && b);
      EXPECT_EQ(either(a, b), a || b);
    }
}

} // namespace
