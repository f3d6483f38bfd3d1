//===- SanitizerOptions.cpp - Defaults of sanitized compiler tools --------===//

// LLVM's allocators poison memory in the copies that we inline, and libMLIR's
// own copies, which are not instrumented, never lift that again.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizer asks for it.
extern "C" const char *__asan_default_options() {
  return "allow_user_poisoning=0";
}
