# How a library or tool of the compiler is declared. MLIR and LLVM are linked
# only as shared libraries: two copies of MLIR in one process crash.

# fp8c_add_library(<name> [EXCEPTIONS] <sources...> [DEPENDS <tablegen targets...>] [LINK <libs...>])
function(fp8c_add_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  # Installed, MLIR's are those of the MLIR that fp8cConfig.cmake finds.
  target_include_directories(${name} SYSTEM PUBLIC "$<BUILD_INTERFACE:${MLIR_INCLUDE_DIRS};${LLVM_INCLUDE_DIRS}>")
  foreach(folder ${PROJECT_SOURCE_DIR}/dialects ${PROJECT_BINARY_DIR}/dialects
      ${PROJECT_SOURCE_DIR}/lib ${PROJECT_BINARY_DIR}/lib ${PROJECT_SOURCE_DIR}/include)
    target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${folder}>)
  endforeach()
  target_include_directories(${name} PUBLIC "$<INSTALL_INTERFACE:include;include/fp8c>")
  # -O1: a compiler's speed is that of its algorithms, and this halves the build.
  target_compile_options(${name} PRIVATE $<$<NOT:$<BOOL:${ARG_EXCEPTIONS}>>:-fno-exceptions> $<$<CONFIG:Release>:-O1>)
  target_link_libraries(${name} PUBLIC ${ARG_LINK} MLIR LLVM)
  if(TARGET fp8c-pch AND NOT ARG_EXCEPTIONS AND NOT ${name} STREQUAL fp8c-pch)
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
