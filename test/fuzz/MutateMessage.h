//===- MutateMessage.h - Changes to a protobuf message ----------*- C++ -*-===//

#ifndef FP8C_TEST_FUZZ_MUTATEMESSAGE_H
#define FP8C_TEST_FUZZ_MUTATEMESSAGE_H

#include <cstddef>
#include <cstdint>
#include <google/protobuf/message.h>

/// Of libFuzzer: changes bytes in place and returns how many there are.
extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace fp8c::fuzz {

/// Changes one field somewhere in `message`, as `seed` has it, and writes the
/// message to `data`, of which `size` bytes are in use. Returns its new size;
/// where that were more than `maxSize`, changes nothing but bytes.
size_t mutateMessage(google::protobuf::Message &message, uint8_t *data,
                     size_t size, size_t maxSize, unsigned seed);

} // namespace fp8c::fuzz

#endif // FP8C_TEST_FUZZ_MUTATEMESSAGE_H
