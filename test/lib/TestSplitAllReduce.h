//===- TestSplitAllReduce.h - Other ways to the same sums -------*- C++ -*-===//

#ifndef TEST_LIB_TESTSPLITALLREDUCE_H
#define TEST_LIB_TESTSPLITALLREDUCE_H

namespace test {
/// `--test-split-all-reduce`: sums of gradients by all collectives that move
/// shares.
void registerTestSplitAllReduce();
} // namespace test

#endif // TEST_LIB_TESTSPLITALLREDUCE_H
