//===- WriteModelTest.cpp - Writing model files ---------------------------===//
//
// What the graphs compute is checked from Python, against other people's code:
// test/integration/models.
//
//===----------------------------------------------------------------------===//

#include "Models/WriteModel.h"

#include "Import/ONNX/ONNXFile.h"
#include "TemporaryFolder.h"

#include <csignal>
#include <sys/resource.h>

using namespace fp8c;

namespace {

class WriteModel : public TemporaryFolder {
protected:
  static ModelOptions tiny(ModelFamily family) {
    ModelOptions options;
    options.family = family;
    options.layers = 2;
    options.dModel = 32;
    options.heads = 4;
    options.vocab = 50;
    options.seq = 8;
    return options;
  }

  std::optional<WrittenModel> tryWrite(const ModelOptions &options,
                                       const std::string &name) {
    return writeModel(options, in(name), error);
  }

  WrittenModel mustWrite(const ModelOptions &options, const std::string &name) {
    std::optional<WrittenModel> written = tryWrite(options, name);
    EXPECT_TRUE(written) << error;
    return written.value_or(WrittenModel{});
  }

  /// The names in the folder, so that leftovers show.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto &entry : std::filesystem::directory_iterator(folder))
      names.push_back(entry.path().filename());
    return names;
  }

  std::string error;
};

TEST_F(WriteModel, ReportsWhatItWrote) {
  ModelOptions options = tiny(ModelFamily::GPT2);
  WrittenModel written = mustWrite(options, "m.onnx");
  EXPECT_EQ(written.weights, WeightStorage::Stored);
  EXPECT_EQ(written.parameters, parameterCount(options));
  EXPECT_EQ(written.bytes, std::filesystem::file_size(in("m.onnx")));
  EXPECT_EQ(files(), std::vector<std::string>{"m.onnx"});
}

constexpr ModelFamily families[] = {ModelFamily::GPT2, ModelFamily::GPT3,
                                    ModelFamily::Llama, ModelFamily::Qwen};

TEST_F(WriteModel, StoresEveryParameter) {
  for (ModelFamily family : families)
    for (WeightStorage storage :
         {WeightStorage::Stored, WeightStorage::External}) {
      ModelOptions options = tiny(family);
      options.kvHeads = options.isGPT() ? 0 : 2;
      options.weights = storage;
      mustWrite(options, "m.onnx");
      auto file = ONNXFile::open(in("m.onnx"), error);
      ASSERT_TRUE(file) << error;
      uint64_t bytes = 0;
      for (const auto &tensor : file->model().graph().initializer())
        if (tensor.name().rfind("rope.", 0) != 0 &&
            tensor.name().rfind("heads.", 0) != 0)
          bytes += file->range(tensor.name())->bytes;
      EXPECT_EQ(bytes, parameterCount(options) * sizeof(float));
    }
}

TEST_F(WriteModel, IsReproducible) {
  ModelOptions options = tiny(ModelFamily::Llama);
  mustWrite(options, "a.onnx");
  mustWrite(options, "b.onnx");
  options.seed = 1;
  mustWrite(options, "c.onnx");
  EXPECT_EQ(read(in("a.onnx")), read(in("b.onnx")));
  EXPECT_NE(read(in("a.onnx")), read(in("c.onnx")));
}

TEST_F(WriteModel, KeepsALayersWeightsWhenLayersAreAdded) {
  auto weights = [&](int64_t layers) {
    ModelOptions options = tiny(ModelFamily::GPT2);
    options.layers = layers;
    mustWrite(options, "m.onnx");
    std::string data;
    auto file = ONNXFile::open(in("m.onnx"), error);
    EXPECT_TRUE(file->range("h.0/attn/qkv.weight")->read(data, error));
    return data;
  };
  EXPECT_EQ(weights(1), weights(3));
}

TEST_F(WriteModel, WritesTheLargestGraphWithoutWeights) {
  WrittenModel written =
      mustWrite(*findModelSize(ModelFamily::GPT3, "175b"), "m.onnx");
  EXPECT_EQ(written.weights, WeightStorage::AsNodes);
  EXPECT_LT(written.bytes, 1u << 20);
}

TEST_F(WriteModel, RefusesBadOptions) {
  ModelOptions options = tiny(ModelFamily::GPT2);
  options.heads = 5;
  EXPECT_FALSE(tryWrite(options, "m.onnx"));
  EXPECT_EQ(error, "width 32 is not a multiple of 5 heads");
  EXPECT_TRUE(files().empty());
}

TEST_F(WriteModel, RefusesPathsItCannotWrite) {
  ModelOptions options = tiny(ModelFamily::GPT2);
  EXPECT_FALSE(tryWrite(options, "none/m.onnx"));
  EXPECT_EQ(error, "cannot write '" + in("none/m.onnx") +
                       "': No such file or directory");
  EXPECT_FALSE(writeModel(options, folder, error));
  EXPECT_EQ(error,
            "cannot write '" + folder.string() + "': it is not a regular file");
  EXPECT_FALSE(writeModel(options, "/dev/null", error));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

/// Lets the process write no file beyond `bytes`, as a full disk would.
class FileSizeLimit {
public:
  explicit FileSizeLimit(rlim_t bytes)
      : handler(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &previous);
    rlimit limit{bytes, previous.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &previous);
    std::signal(SIGXFSZ, handler);
  }

private:
  rlimit previous;
  void (*handler)(int);
};

TEST_F(WriteModel, LeavesTheOldFileWhenTheDiskIsFull) {
  write("m.onnx", "old");
  {
    FileSizeLimit limit(1 << 16);
    EXPECT_FALSE(tryWrite(tiny(ModelFamily::GPT2), "m.onnx"));
  }
  EXPECT_EQ(error, "cannot write '" + in("m.onnx") + "': File too large");
  EXPECT_EQ(read(in("m.onnx")), "old");
  EXPECT_EQ(files(), std::vector<std::string>{"m.onnx"});
}

class ExternalWeights : public WriteModel {
protected:
  static ModelOptions tiny(uint64_t seed = 0) {
    ModelOptions options = WriteModel::tiny(ModelFamily::Qwen);
    options.weights = WeightStorage::External;
    options.seed = seed;
    return options;
  }
};

TEST_F(ExternalWeights, StandWhereTheModelSays) {
  ModelOptions options = tiny();
  WrittenModel written = mustWrite(options, "m.onnx");
  EXPECT_EQ(written.data, in("m.onnx.data"));
  EXPECT_EQ(written.bytes, std::filesystem::file_size(in("m.onnx")));
  EXPECT_EQ(written.dataBytes, std::filesystem::file_size(in("m.onnx.data")));
  EXPECT_EQ(files().size(), 2u);

  options.weights = WeightStorage::Stored;
  mustWrite(options, "stored.onnx");
  auto external = ONNXFile::open(in("m.onnx"), error);
  auto stored = ONNXFile::open(in("stored.onnx"), error);
  ASSERT_TRUE(external && stored) << error;
  int found = 0;
  for (const auto &tensor : external->model().graph().initializer()) {
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL)
      continue;
    std::string mine, theirs;
    ASSERT_TRUE(external->range(tensor.name())->read(mine, error)) << error;
    ASSERT_TRUE(stored->range(tensor.name())->read(theirs, error)) << error;
    EXPECT_EQ(mine, theirs) << tensor.name();
    EXPECT_EQ(external->range(tensor.name())->offset % 4096, 0u);
    ++found;
  }
  EXPECT_GT(found, 20);
}

TEST_F(ExternalWeights, AreChosenWhereNoFileHoldsThem) {
  ModelOptions options = *findModelSize(ModelFamily::GPT2, "774m");
  options.weights = WeightStorage::Stored;
  {
    FileSizeLimit limit(1 << 16);
    EXPECT_FALSE(tryWrite(options, "m.onnx"));
  }
  EXPECT_EQ(error, "cannot write '" + in("m.onnx.data") + "': File too large");
  EXPECT_TRUE(files().empty());
}

TEST_F(ExternalWeights, ReplaceWhatFp8cWroteAndNothingElse) {
  mustWrite(tiny(), "m.onnx");
  std::string before = read(in("m.onnx.data"));
  mustWrite(tiny(/*seed=*/1), "m.onnx");
  EXPECT_NE(read(in("m.onnx.data")), before);

  std::string model = read(in("m.onnx"));
  write("m.onnx.data", "somebody's");
  EXPECT_FALSE(tryWrite(tiny(), "m.onnx"));
  EXPECT_EQ(error, "will not replace '" + in("m.onnx.data") +
                       "', which fp8c did not write: remove it or choose "
                       "another name");
  EXPECT_EQ(read(in("m.onnx.data")), "somebody's");
  EXPECT_EQ(read(in("m.onnx")), model);
  EXPECT_EQ(files().size(), 2u);

  std::filesystem::remove(in("m.onnx.data"));
  std::filesystem::create_symlink("elsewhere", in("m.onnx.data"));
  EXPECT_FALSE(tryWrite(tiny(), "m.onnx"));
  EXPECT_NE(error.find("'m.onnx.data' is a symbolic link"), std::string::npos)
      << error;
}

TEST_F(ExternalWeights, AreNotWrittenWhereNoModelMayNameThem) {
  EXPECT_FALSE(tryWrite(tiny(), "a\nb.onnx"));
  EXPECT_EQ(error, "cannot write '" + in("a\nb.onnx.data") +
                       "': its name has control characters");
  EXPECT_FALSE(tryWrite(tiny(), "\xff.onnx"));
  EXPECT_EQ(error, "cannot write '" + in("\xff.onnx.data") +
                       "': its name is not UTF-8");
  EXPECT_TRUE(files().empty());
}

TEST_F(ExternalWeights, LeaveTheOldModelWhenTheDiskIsFull) {
  mustWrite(tiny(), "m.onnx");
  std::string model = read(in("m.onnx")), data = read(in("m.onnx.data"));
  {
    FileSizeLimit limit(1 << 16);
    EXPECT_FALSE(tryWrite(tiny(/*seed=*/1), "m.onnx"));
  }
  EXPECT_EQ(error, "cannot write '" + in("m.onnx.data") + "': File too large");
  EXPECT_EQ(read(in("m.onnx")), model);
  EXPECT_EQ(read(in("m.onnx.data")), data);
  EXPECT_EQ(files().size(), 2u);
}

} // namespace
