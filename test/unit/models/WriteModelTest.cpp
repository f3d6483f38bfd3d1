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
  EXPECT_TRUE(written.weights);
  EXPECT_EQ(written.parameters, parameterCount(options));
  EXPECT_EQ(written.bytes, std::filesystem::file_size(in("m.onnx")));
  EXPECT_EQ(files(), std::vector<std::string>{"m.onnx"});
}

TEST_F(WriteModel, StoresEveryParameter) {
  for (ModelFamily family : {ModelFamily::GPT2, ModelFamily::Llama}) {
    ModelOptions options = tiny(family);
    options.kvHeads = family == ModelFamily::Llama ? 2 : 0;
    mustWrite(options, "m.onnx");
    auto file = ONNXFile::open(in("m.onnx"), error);
    ASSERT_TRUE(file) << error;
    uint64_t bytes = 0;
    for (const auto &tensor : file->model().graph().initializer())
      if (tensor.name().rfind("rope.", 0) != 0)
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
  EXPECT_FALSE(written.weights);
  EXPECT_LT(written.bytes, 1u << 20);
}

TEST_F(WriteModel, RefusesWeightsThatNoFileHolds) {
  ModelOptions options = *findModelSize(ModelFamily::GPT2, "774m");
  options.weights = WeightStorage::InFile;
  EXPECT_FALSE(tryWrite(options, "m.onnx"));
  EXPECT_EQ(error, "the weights take 2.9 GiB, but an ONNX file holds less than "
                   "2 GiB: without weights the file says how to draw them");
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

} // namespace
