//===- ChecksumTest.cpp - XXH3 of files and buffers -----------------------===//

#include "core/Checksum.h"

#include <gtest/gtest.h>

#include <vector>

using namespace fp8c::runtime;

// Values of xxhsum -H3 (0.8.1).
TEST(Checksum, IsXXH3) {
  EXPECT_EQ(checksumOf("", 0), "xxh3:2d06800538d394c2");
  EXPECT_EQ(checksumOf("abc", 3), "xxh3:78af5f94892f3950");
}

TEST(Checksum, DoesNotDependOnPieces) {
  std::vector<unsigned char> data(100000);
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<unsigned char>(i * 2654435761u >> 13);
  for (size_t piece : {1, 7, 255, 256, 4096, 99999}) {
    Checksum checksum;
    for (size_t at = 0; at < data.size(); at += piece)
      checksum.update(&data[at], std::min(piece, data.size() - at));
    EXPECT_EQ(checksum.text(), checksumOf(data.data(), data.size()));
  }
}

TEST(Checksum, NoticesOneBit) {
  std::string data(1000, 'x');
  const std::string before = checksumOf(data.data(), data.size());
  data[500] ^= 1;
  EXPECT_NE(checksumOf(data.data(), data.size()), before);
}
