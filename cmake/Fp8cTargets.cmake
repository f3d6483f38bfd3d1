# How a library or tool of the compiler is declared. MLIR and LLVM are linked
# only as shared libraries: two copies of MLIR in one process crash.

# fp8c_add_library(<name> <sources...> [DEPENDS <tablegen targets...>] [LINK <libs...>])
function(fp8c_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_include_directories(${name} PUBLIC
    ${PROJECT_SOURCE_DIR}/dialects ${PROJECT_BINARY_DIR}/dialects
    ${PROJECT_SOURCE_DIR}/lib ${PROJECT_BINARY_DIR}/lib ${PROJECT_SOURCE_DIR}/include)
  # -O1: a compiler's speed is that of its algorithms, and this halves the build.
  target_compile_options(${name} PRIVATE -fno-exceptions $<$<CONFIG:Release>:-O1>)
  target_link_libraries(${name} PUBLIC ${ARG_LINK} MLIR LLVM)
  if(TARGET fp8c-pch AND NOT ${name} STREQUAL fp8c-pch)
    target_precompile_headers(${name} REUSE_FROM fp8c-pch)
  endif()
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# fp8c_add_tool(<name> <sources...> [LINK <libs...>])
function(fp8c_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS}
    $<$<BOOL:${FP8C_SANITIZE}>:${PROJECT_SOURCE_DIR}/cmake/SanitizerOptions.cpp>)
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  set_target_properties(${name} PROPERTIES BUILD_RPATH "${LLVM_LIBRARY_DIR}" INSTALL_RPATH "${LLVM_LIBRARY_DIR}")
endfunction()
