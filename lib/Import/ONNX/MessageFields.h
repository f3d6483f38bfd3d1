//===- MessageFields.h - The fields of a protobuf message -------*- C++ -*-===//
//
// Walks a message's wire format, so that a field's place in the file is known.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_MESSAGEFIELDS_H
#define FP8C_IMPORT_ONNX_MESSAGEFIELDS_H

#include <google/protobuf/io/coded_stream.h>

namespace fp8c {

/// One field: where it stands, tag and length included, and for a field of
/// bytes (a string, a message, packed numbers) where these stand.
struct MessageField {
  int number;
  bool isBytes;
  const char *begin, *end;
  const char *payload; ///< [payload, end) where isBytes.
};

/// Calls `visit(field)` with each field of the message in [begin, end), of less
/// than 2 GiB. False where the bytes are no message or `visit` returns false.
template <typename Visit>
bool forEachField(const char *begin, const char *end, Visit visit) {
  enum WireType { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };
  google::protobuf::io::CodedInputStream in(
      reinterpret_cast<const uint8_t *>(begin), int(end - begin));
  while (true) {
    MessageField field;
    field.begin = begin + in.CurrentPosition();
    uint32_t tag = in.ReadTag();
    if (tag == 0)
      return in.ConsumedEntireMessage();
    field.number = int(tag >> 3);
    field.isBytes = (tag & 7) == Bytes;
    uint64_t value;
    int length = 0;
    bool ok = false;
    switch (tag & 7) {
    case Varint:
      ok = in.ReadVarint64(&value);
      break;
    case Fixed64:
      ok = in.Skip(8);
      break;
    case Bytes:
      ok = in.ReadVarintSizeAsInt(&length);
      field.payload = begin + in.CurrentPosition();
      ok = ok && in.Skip(length);
      break;
    case Fixed32:
      ok = in.Skip(4);
      break;
    }
    field.end = begin + in.CurrentPosition();
    if (!ok || !visit(field))
      return false;
  }
}

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_MESSAGEFIELDS_H
