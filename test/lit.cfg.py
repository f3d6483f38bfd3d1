import os

import lit.formats

config.name = "fp8c"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "integration", "lib", "unit"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.fp8c_obj_root, "test")

# Our tools first: tests name them without a path.
for directory in (config.llvm_tools_dir, config.fp8c_tools_dir):
    config.environment["PATH"] = os.pathsep.join(
        (directory, config.environment["PATH"])
    )
# Debian's mlir-opt with our plug-in; it has no sanitizer to load one that has.
if config.sanitizes:
    config.excludes.append("Plugin")
plugin = os.path.join(config.fp8c_tools_dir, "../lib/fp8c-plugin.so")
config.substitutions.append(
    (
        "%mlir-opt-fp8c",
        f"mlir-opt --load-dialect-plugin={plugin} --load-pass-plugin={plugin}",
    )
)
config.substitutions.append(
    ("%llvm-lib", os.path.join(config.llvm_tools_dir, "../lib"))
)
config.substitutions.append(("%python", f'"{config.python}"'))
