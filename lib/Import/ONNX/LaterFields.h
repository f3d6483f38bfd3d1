//===- LaterFields.h - Fields that our ONNX headers lack --------*- C++ -*-===//
//
// Debian's ONNX headers stop at IR version 8; protobuf keeps what came later as
// unknown fields.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_LATERFIELDS_H
#define FP8C_IMPORT_ONNX_LATERFIELDS_H

#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <string>
#include <vector>

namespace fp8c {

/// The contents of a field of bytes (a string, a message) by its number, as
/// often as it stands in the message.
inline std::vector<std::string>
laterField(const google::protobuf::Message &message, int number) {
  std::vector<std::string> found;
  const google::protobuf::UnknownFieldSet &fields =
      message.GetReflection()->GetUnknownFields(message);
  for (int i = 0; i < fields.field_count(); ++i)
    if (fields.field(i).number() == number &&
        fields.field(i).type() ==
            google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED)
      found.push_back(fields.field(i).length_delimited());
  return found;
}

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_LATERFIELDS_H
