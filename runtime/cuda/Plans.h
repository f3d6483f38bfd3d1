//===- Plans.h - Which algorithm each library call takes --------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CUDA_PLANS_H
#define FP8C_RUNTIME_CUDA_PLANS_H

#include <functional>
#include <map>
#include <string>

namespace fp8c {
class Stream;
}

namespace fp8c::library {

/// Which of `count` candidates is the fastest, or the first where that is to be
/// taken; -1 if none runs. `run` enqueues the i-th, or returns false. Few runs
/// tell the good ones from the rest, more tell the good ones apart.
int fastestOf(const Stream &stream, int count,
              const std::function<bool(int)> &run);

/// Libraries propose several algorithms for a call; the fastest by measurement
/// is kept, in a file for this GPU and these libraries, so that later runs take
/// the same one and give the same bits. Both sides are one line of text without
/// tabs.
class Plans {
public:
  static Plans &get();

  /// Reads the plans in `path`, a cache between runs; those chosen later are
  /// added to it. One of another GPU or library version is replaced. "": none.
  void use(const std::string &path);

  /// The first candidate that runs is good enough from now on, however fast:
  /// another program finds it too. Nothing is known, or kept in a cache.
  void takeFirst();
  bool takesFirst() const { return first; }

  /// Prefers the plans in `path`, those of a run. Returns false if they are of
  /// another GPU or library version, where they cannot be taken.
  bool prefer(const std::string &path) { return read(path, preferred); }

  /// As prefer(), and from now on keeps there all that are used: the run goes
  /// on. Throws Error if the file cannot be written.
  bool keep(const std::string &path);

  /// What is used so far, as lines, and takes them where they come from another
  /// process: all must compute alike.
  std::string text() const;
  void take(const std::string &text) { parse(text, preferred); }

  /// Writes what was chosen or used since use() and keep(), if anything.
  void save();

  /// The plan of a call, which counts as used, or null.
  const std::string *find(const std::string &call);
  const std::string &add(const std::string &call, const std::string &plan);

private:
  using Lines = std::map<std::string, std::string>;

  Plans() = default;
  bool read(const std::string &path, Lines &lines);
  static void parse(const std::string &text, Lines &lines);

  Lines known, preferred, used;
  std::string cache, runFile;
  bool choseMore = false, usesMore = false, first = false;
};

} // namespace fp8c::library

#endif // FP8C_RUNTIME_CUDA_PLANS_H
