//===- ONNXFileTest.cpp - Opening ONNX files ------------------------------===//

#include "Import/ONNX/ONNXFile.h"

#include "Import/ONNX/DataTypes.h"
#include "Models/WriteModel.h"
#include "TemporaryFolder.h"

#include <cstring>
#include <sys/stat.h>

using namespace fp8c;

namespace {

/// A model with one initializer "w", f32 [2, 3], without data yet.
struct SmallModel {
  onnx::ModelProto model;
  onnx::TensorProto &w;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};

  SmallModel() : w(*model.mutable_graph()->add_initializer()) {
    model.set_ir_version(11);
    w.set_name("w");
    w.set_data_type(onnx::TensorProto::FLOAT);
    w.add_dims(2);
    w.add_dims(3);
  }

  std::string valueBytes() const {
    return {reinterpret_cast<const char *>(values.data()),
            values.size() * sizeof(float)};
  }
  using External = std::vector<std::pair<std::string, std::string>>;
  void external(const External &info) {
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    w.clear_external_data();
    for (const auto &[key, value] : info) {
      auto *entry = w.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
  }
  std::string bytes() const { return model.SerializeAsString(); }
};

class OpenONNX : public TemporaryFolder {
protected:
  std::unique_ptr<ONNXFile> open(const std::string &bytes) {
    return ONNXFile::open(write("m.onnx", bytes), error);
  }

  /// What is said of a model of these bytes, without its "'path' ".
  std::string errorOf(const std::string &bytes) {
    EXPECT_FALSE(open(bytes));
    std::string prefix = "'" + in("m.onnx") + "' ";
    return error.rfind(prefix, 0) == 0 ? error.substr(prefix.size()) : error;
  }

  std::string readRange(const ONNXFile &file, const std::string &name) {
    std::string data;
    const TensorRange *range = file.range(name);
    EXPECT_TRUE(range && range->read(data, error)) << error;
    return data;
  }

  std::string error;
};

constexpr const char *damaged =
    "is not an ONNX model or is damaged: re-export it";

TEST_F(OpenONNX, FindsEveryInitializerOfAModel) {
  ModelOptions options;
  options.layers = 2, options.dModel = 64, options.heads = 4;
  options.vocab = 100, options.seq = 16;
  ASSERT_TRUE(writeModel(options, in("m.onnx"), error)) << error;
  auto file = ONNXFile::open(in("m.onnx"), error);
  ASSERT_TRUE(file) << error;

  onnx::ModelProto whole;
  ASSERT_TRUE(whole.ParseFromString(read(in("m.onnx"))));
  const onnx::GraphProto &graph = file->model().graph();
  ASSERT_EQ(graph.initializer_size(), whole.graph().initializer_size());
  EXPECT_EQ(graph.node_size(), whole.graph().node_size());
  EXPECT_EQ(file->model().metadata_props_size(), whole.metadata_props_size());
  EXPECT_EQ(file->model().opset_import(0).version(), 23);
  for (int i = 0; i < graph.initializer_size(); ++i) {
    const onnx::TensorProto &expected = whole.graph().initializer(i);
    EXPECT_EQ(graph.initializer(i).name(), expected.name());
    EXPECT_EQ(graph.initializer(i).dims_size(), expected.dims_size());
    EXPECT_EQ(readRange(*file, expected.name()), expected.raw_data());
    bool isSmall = expected.raw_data().size() <= ONNXFile::maxInlineBytes;
    EXPECT_EQ(graph.initializer(i).has_raw_data(), isSmall);
  }
}

TEST_F(OpenONNX, FindsRawAndPackedFloats) {
  SmallModel small;
  small.w.set_raw_data(small.valueBytes());
  auto file = open(small.bytes());
  ASSERT_TRUE(file) << error;
  EXPECT_EQ(readRange(*file, "w"), small.valueBytes());
  EXPECT_EQ(file->model().graph().initializer(0).raw_data(),
            small.valueBytes());

  small.w.clear_raw_data();
  for (float value : small.values)
    small.w.add_float_data(value);
  file = open(small.bytes());
  ASSERT_TRUE(file) << error;
  EXPECT_EQ(readRange(*file, "w"), small.valueBytes());
  EXPECT_EQ(file->model().graph().initializer(0).float_data_size(), 6);
}

TEST_F(OpenONNX, LeavesScatteredDataInTheMessage) {
  // float_data one by one, as writers without packing store it: tag 4 << 3 | 5.
  SmallModel small;
  std::string tensor = small.w.SerializeAsString();
  for (float value : small.values) {
    tensor += char(4 << 3 | 5);
    tensor.append(reinterpret_cast<const char *>(&value), sizeof value);
  }
  std::string graph = {char(5 << 3 | 2), char(tensor.size())};
  graph += tensor;
  small.model.clear_graph();
  std::string bytes = small.bytes();
  bytes += {char(7 << 3 | 2), char(graph.size())};
  auto file = open(bytes + graph);
  ASSERT_TRUE(file) << error;
  EXPECT_FALSE(file->range("w"));
  EXPECT_EQ(file->model().graph().initializer(0).float_data(5), 6);

  SmallModel integers;
  integers.w.set_data_type(onnx::TensorProto::INT64);
  for (int64_t i = 0; i < 6; ++i)
    integers.w.add_int64_data(i);
  file = open(integers.bytes());
  ASSERT_TRUE(file) << error;
  EXPECT_FALSE(file->range("w"));
  EXPECT_EQ(file->model().graph().initializer(0).int64_data(5), 5);
}

TEST_F(OpenONNX, KnowsTypesLaterThanItsHeaders) {
  SmallModel small;
  small.w.set_data_type(onnxFloat8E4M3FN);
  small.w.set_raw_data("sixsix");
  auto file = open(small.bytes());
  ASSERT_TRUE(file) << error;
  EXPECT_EQ(readRange(*file, "w"), "sixsix");
  EXPECT_EQ(file->model().graph().initializer(0).data_type(), 17);

  small.w.set_data_type(onnxFloat4E2M1);
  small.w.set_raw_data("two");
  EXPECT_TRUE(open(small.bytes())) << error;
}

TEST_F(OpenONNX, FindsExternalData) {
  SmallModel small;
  std::filesystem::create_directory(in("data"));
  write("data/w.bin", "skip" + small.valueBytes() + "rest");
  small.external(
      {{"location", "data/w.bin"}, {"offset", "4"}, {"length", "24"}});
  auto file = open(small.bytes());
  ASSERT_TRUE(file) << error;
  EXPECT_EQ(readRange(*file, "w"), small.valueBytes());
  EXPECT_EQ(file->range("w")->path, in("data/w.bin"));

  // Offset and length may be left out.
  write("plain.bin", small.valueBytes());
  small.external({{"location", "plain.bin"}});
  file = open(small.bytes());
  ASSERT_TRUE(file) << error;
  EXPECT_EQ(file->range("w")->bytes, 24u);
}

/// A folder as a hostile archive would unpack it.
class OpenExternal : public OpenONNX {
protected:
  OpenExternal() {
    for (const char *name : {"model/data", "outside"})
      std::filesystem::create_directories(in(name));
    write("outside/w.bin", small.valueBytes());
    write("model/w.bin", small.valueBytes());
    write("model/data/w.bin", small.valueBytes());
    write("model/short.bin", "short");
    write("model/hard.bin", small.valueBytes());
    std::filesystem::create_hard_link(in("model/hard.bin"),
                                      in("outside/hard.bin"));
    const std::pair<const char *, const char *> links[] = {
        {"model/link.bin", "w.bin"},
        {"model/out.bin", "../outside/w.bin"},
        {"model/zero.bin", "/dev/zero"},
        {"model/folder", "data"},
        {"model/outside", "../outside"},
        {"model/data/up", ".."},
        {"model/broken.bin", "no-such-file"},
        {"model/loop.bin", "loop.bin"}};
    for (auto [name, target] : links)
      std::filesystem::create_symlink(target, in(name));
    EXPECT_EQ(mkfifo(in("model/pipe.bin").c_str(), 0600), 0);
  }

  /// Opens the model with external data as told; what is said against it,
  /// without its path.
  std::string errorOf(const SmallModel::External &info) {
    small.external(info);
    bool isOpen =
        bool(ONNXFile::open(write("model/m.onnx", small.bytes()), error));
    EXPECT_EQ(isOpen, error.empty());
    std::string prefix = "'" + in("model/m.onnx") + "' ";
    EXPECT_TRUE(isOpen || error.rfind(prefix, 0) == 0) << error;
    return isOpen ? "" : error.substr(prefix.size());
  }

  SmallModel small;
};

TEST_F(OpenExternal, RefusesWhatLeavesTheFolder) {
  const std::string leads = "leads outside of the model's folder",
                    control = "has control characters";
  const std::pair<std::string, std::string> cases[] = {
      {"/etc/passwd", leads},
      {in("model/w.bin"), leads},
      {"//w.bin", leads},
      {"..", leads},
      {"../outside/w.bin", leads},
      {"data/../../outside/w.bin", leads},
      {"data/../w.bin", leads},
      {"./../model/w.bin", leads},
      {"data/..", leads},
      {std::string("w.bin\0../outside/w.bin", 22), control},
      {std::string("\0", 1), control},
      {"w.bin\n", control},
      {"\x1b[2Jw.bin", control},
      {"w.bin\x7f", control},
      {"data/", "names no file"},
  };
  for (const auto &[location, problem] : cases)
    EXPECT_EQ(errorOf({{"location", location}}),
              "has a location for the external data of 'w' that " + problem +
                  ": a model names files of its own folder only")
        << location;
}

TEST_F(OpenExternal, RefusesWhatIsNoFileOfItsOwn) {
  auto link = [](const std::string &name) {
    return "'" + name +
           "' is a symbolic link, which a model may not use: put what it "
           "points to in its place";
  };
  const std::string notRegular = "it is not a regular file";
  const std::pair<std::string, std::string> cases[] = {
      {"link.bin", link("link.bin")},
      {"out.bin", link("out.bin")},
      {"zero.bin", link("zero.bin")},
      {"broken.bin", link("broken.bin")},
      {"loop.bin", link("loop.bin")},
      {"folder/w.bin", link("folder")},
      {"outside/w.bin", link("outside")},
      {"data/up/w.bin", link("up")},
      {"data/up/data/up/w.bin", link("up")},
      {"hard.bin",
       "it has other names besides (hard links): put a copy in its place"},
      {"pipe.bin", notRegular}, // and does not wait for a writer
      {"data", notRegular},
      {".", notRegular},
      {"none.bin", "No such file or directory"},
      {"w.bin/w.bin", "Not a directory"},
      {std::string(5000, 'w'), "File name too long"},
  };
  for (const auto &[location, problem] : cases)
    EXPECT_EQ(errorOf({{"location", location}}),
              "keeps the external data of 'w' in '" + in("model/") + location +
                  "', which cannot be read: " + problem);
}

TEST_F(OpenExternal, RefusesRangesOutsideOfTheFile) {
  const std::string unusable =
      "gives no usable offset and length for the external data of 'w'";
  auto needs = [&](const std::string &name, int64_t has, int64_t needed) {
    return "keeps the external data of 'w' in '" + in("model/" + name) +
           "', which cannot be read: it has " + std::to_string(has) +
           " bytes, but " + std::to_string(needed) + " are needed";
  };
  struct Case {
    std::string offset, length, problem;
  } cases[] = {
      {"1", "24", needs("w.bin", 24, 25)},
      {"24", "24", needs("w.bin", 24, 48)},
      {"999999999999999999", "24", needs("w.bin", 24, 1000000000000000023)},
      {"-1", "24", unusable},
      {"", "24", unusable},
      {" 0", "24", unusable},
      {"0x0", "24", unusable},
      {"18446744073709551615", "24", unusable},
      {"18446744073709551616", "24", unusable},
      {"0", "-24", unusable},
      {"0", "18446744073709551616", unusable},
      {"0", "23",
       "has 23 bytes for initializer 'w', whose shape and type need "
       "24: it is damaged, re-export it"},
      {"0", "25",
       "has 25 bytes for initializer 'w', whose shape and type need "
       "24: it is damaged, re-export it"},
  };
  for (const Case &c : cases)
    EXPECT_EQ(errorOf({{"location", "w.bin"},
                       {"offset", c.offset},
                       {"length", c.length}}),
              c.problem);
  EXPECT_EQ(errorOf({{"location", "short.bin"}}), needs("short.bin", 5, 24));
  EXPECT_EQ(errorOf({}), "names no file for the external data of 'w'");
  EXPECT_EQ(errorOf({{"location", ""}}),
            "names no file for the external data of 'w'");
}

TEST_F(OpenExternal, TakesFilesOfTheFolderHoweverItIsReached) {
  for (const char *location :
       {"w.bin", "./w.bin", "data/w.bin", "data//w.bin", "data/./w.bin"})
    EXPECT_EQ(errorOf({{"location", location}}), "") << location;

  // Where the folder is, its owner decides: over a link, or from within.
  std::filesystem::create_symlink("model", in("linked"));
  std::filesystem::create_symlink("m.onnx", in("model/linked.onnx"));
  std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(in("model"));
  for (const std::string &path :
       {in("linked/m.onnx"), in("model/linked.onnx"), std::string("m.onnx"),
        std::string("./m.onnx"), in("model") + "//m.onnx"}) {
    auto file = ONNXFile::open(path, error);
    ASSERT_TRUE(file) << error;
    EXPECT_EQ(readRange(*file, "w"), small.valueBytes()) << path;
  }
  std::filesystem::current_path(before);
}

TEST_F(OpenExternal, ChecksAgainWhenItReads) {
  ASSERT_EQ(errorOf({{"location", "data/w.bin"}}), "");
  auto file = ONNXFile::open(in("model/m.onnx"), error);
  ASSERT_TRUE(file) << error;
  const TensorRange *range = file->range("w");
  std::string data;
  ASSERT_TRUE(range->read(data, error)) << error;

  std::filesystem::remove_all(in("model/data"));
  std::filesystem::create_symlink("../outside", in("model/data"));
  EXPECT_FALSE(range->read(data, error));
  EXPECT_NE(error.find("'data' is a symbolic link"), error.npos) << error;

  std::filesystem::remove(in("model/data"));
  std::filesystem::create_directory(in("model/data"));
  write("model/data/w.bin", "short");
  EXPECT_FALSE(range->read(data, error));
  EXPECT_NE(error.find("it has 5 bytes, but 24 are needed"), error.npos)
      << error;
}

TEST_F(OpenONNX, RefusesFilesThatAreNoModel) {
  EXPECT_FALSE(ONNXFile::open(in("none.onnx"), error));
  EXPECT_EQ(error,
            "cannot read '" + in("none.onnx") + "': No such file or directory");
  EXPECT_FALSE(ONNXFile::open(folder, error));
  EXPECT_EQ(error,
            "cannot read '" + folder.string() + "': it is not a regular file");
  EXPECT_EQ(errorOf(""), "cannot read '" + in("m.onnx") + "': it is empty");
  EXPECT_EQ(errorOf("import torch\n"), damaged);
  EXPECT_EQ(errorOf(std::string(4096, '\0')), damaged);

  onnx::ModelProto bare;
  bare.set_ir_version(11);
  EXPECT_EQ(errorOf(bare.SerializeAsString()), "has no graph");

  write("m.onnx", "");
  std::filesystem::resize_file(in("m.onnx"), uint64_t(1) << 31);
  EXPECT_FALSE(ONNXFile::open(in("m.onnx"), error));
  EXPECT_NE(error.find("has 2 GiB or more"), std::string::npos) << error;
}

TEST_F(OpenONNX, RefusesDataThatDoesNotFitItsShape) {
  SmallModel small;
  EXPECT_EQ(errorOf(small.bytes()),
            "has 0 bytes for initializer 'w', whose shape and type need 24: it "
            "is damaged, re-export it");
  small.w.set_raw_data(small.valueBytes());
  small.w.set_dims(0, -1);
  EXPECT_EQ(errorOf(small.bytes()), "has an initializer 'w' with an unknown "
                                    "type or an impossible shape");
  small.w.set_dims(0, int64_t(1) << 62);
  EXPECT_EQ(errorOf(small.bytes()), "has an initializer 'w' with an unknown "
                                    "type or an impossible shape");
}

TEST_F(OpenONNX, RefusesATruncatedFile) {
  SmallModel small;
  small.w.set_raw_data(small.valueBytes());
  std::string bytes = small.bytes();
  for (size_t length = 1; length < bytes.size(); ++length) {
    std::string message = errorOf(bytes.substr(0, length));
    // Right after the version the file is whole, only empty.
    EXPECT_EQ(message, length == 2 ? "has no graph" : damaged) << length;
  }
}

TEST_F(OpenONNX, SurvivesAnyFlippedBit) {
  SmallModel small;
  small.w.set_raw_data(small.valueBytes());
  std::string bytes = small.bytes();
  for (size_t i = 0; i < 8 * bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i / 8] ^= char(1 << i % 8);
    auto file = open(flipped);
    EXPECT_EQ(!file, !error.empty());
    const TensorRange *range = file ? file->range("w") : nullptr;
    EXPECT_TRUE(!range || range->offset + range->bytes <= bytes.size());
  }
}

} // namespace
