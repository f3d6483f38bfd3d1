//===- OutputFileTest.cpp -------------------------------------------------===//

#include "core/OutputFile.h"

#include "TestFiles.h"

using namespace fp8c::runtime;

TEST(OutputFile, WritesAcrossItsBuffer) {
  TestFolder folder;
  std::string expected;
  {
    OutputFile file(folder / "f");
    for (size_t size : {5, 1000000, 3000000, 7, 900000, 200000}) {
      std::string text(size, static_cast<char>('a' + size % 26));
      file.write(text);
      expected += text;
    }
    file.sync();
  }
  EXPECT_EQ(folder.read("f"), expected);
}

TEST(OutputFile, ReportsAFullDisk) {
  OutputFile file("/dev/full");
  file.write("x");
  EXPECT_ERROR("No space left on device (/dev/full)", file.flush());
}

TEST(OutputFile, AtomicFileAppearsWhenComplete) {
  TestFolder folder;
  folder.write("f", "old");
  {
    AtomicFile file(folder / "f");
    file.stream().write("new");
  } // not committed
  EXPECT_EQ(folder.read("f"), "old");
  EXPECT_EQ(folder.names().size(), 1u);
  writeFile(folder / "f", "new");
  EXPECT_EQ(folder.read("f"), "new");
  EXPECT_EQ(folder.names().size(), 1u);
}

TEST(OutputFile, PartialFilesAreMadeAnew) {
  TestFolder folder;
  folder.write("f.partial", "what a killed process left");
  writeFile(folder / "f", "new");
  EXPECT_EQ(folder.read("f"), "new");
  EXPECT_EQ(folder.names().size(), 1u);

  AtomicFile other(folder / "f");
  EXPECT_ERROR("cannot write: Device or resource busy",
               AtomicFile(folder / "f"));
  folder.write("precious", "mine");
  std::filesystem::create_symlink(folder / "precious", folder / "g.partial");
  EXPECT_ERROR("g.partial", AtomicFile(folder / "g"));
  EXPECT_EQ(folder.read("precious"), "mine");
  std::filesystem::create_directory(folder / "h.partial");
  EXPECT_ERROR("h.partial", AtomicFile(folder / "h"));
}

TEST(OutputFile, DevicesAreNotReplaced) {
  EXPECT_ERROR("not a regular file (/dev/null)", AtomicFile("/dev/null"));
  TestFolder folder;
  EXPECT_ERROR("not a regular file", AtomicFile(folder / ""));
}

TEST(OutputFile, CannotBeMade) {
  EXPECT_ERROR("cannot write: No such file or directory (/none/f",
               OutputFile("/none/f"));
}
