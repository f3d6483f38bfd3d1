# Installs the compiler: tools, libraries, headers, recipes, and the CMake package
# by which others find them. What the runtime installs stands in its own folders.
include(CMakePackageConfigHelpers)

install(TARGETS fp8c fp8c-opt RUNTIME DESTINATION bin)
install(TARGETS fp8c-plugin LIBRARY DESTINATION lib)
install(DIRECTORY recipes DESTINATION share/fp8c)

# Two sets, so that whoever wants the dialects and passes needs MLIR alone.
add_library(fp8c-fp8 INTERFACE)
target_link_libraries(fp8c-fp8 INTERFACE Fp8cFP8Transforms Fp8cFP8ToUpstream Fp8cUpstreamModels)
set_target_properties(fp8c-fp8 PROPERTIES EXPORT_NAME FP8)
install(TARGETS
  Fp8cTargetIR Fp8cFP8IR Fp8cTrainIR Fp8cExecIR
  Fp8cFP8Transforms Fp8cFP8Training Fp8cTrainTransforms Fp8cExecTransforms
  Fp8cTrainToExec Fp8cFP8ToUpstream Fp8cUpstreamModels Fp8cPipelines fp8c-fp8
  EXPORT fp8cPasses ARCHIVE DESTINATION lib)

add_library(fp8c-all INTERFACE)
target_link_libraries(fp8c-all INTERFACE fp8c-fp8 Fp8cCompile Fp8cAutoRecipe Fp8cImportONNX Fp8cModels)
set_target_properties(fp8c-all PROPERTIES EXPORT_NAME fp8c)
install(TARGETS
  Fp8cCompile Fp8cAnalysis Fp8cAutoRecipe Fp8cImportONNX Fp8cModels Fp8cONNXFile Fp8cTensorRange
  Fp8cTargetCommon Fp8cTargetCPU Fp8cTargetCUDA Fp8cOnInterrupt fp8c-runtime fp8c-all
  EXPORT fp8cCompiler ARCHIVE DESTINATION lib)

# Of the folders of passes what declares them and what they read; the rest is
# theirs.
install(DIRECTORY include/fp8c DESTINATION include)
install(DIRECTORY lib/Import DESTINATION include/fp8c FILES_MATCHING PATTERN "*.h")
install(DIRECTORY dialects/ DESTINATION include/fp8c FILES_MATCHING
  REGEX "/IR/[^/]+[.](h|td)$" REGEX "/(Passes|Recipe|Programs|FunctionScaler|ValueRoles)[.](h|td)$" PATTERN Recompose EXCLUDE)
install(DIRECTORY ${PROJECT_BINARY_DIR}/dialects/ DESTINATION include/fp8c FILES_MATCHING
  PATTERN "*.h.inc" PATTERN CMakeFiles EXCLUDE PATTERN "*.dir" EXCLUDE)
foreach(header
    Analysis/ProductSummary.h Analysis/Roofline.h AutoRecipe/AutoRecipe.h AutoRecipe/StateBytes.h
    Conversion/FP8ToUpstream/Passes.h Conversion/FP8ToUpstream/Passes.td
    Conversion/TrainToExec/Passes.h Conversion/TrainToExec/Passes.td
    Models/ModelOptions.h Models/WriteModel.h
    Target/Common/GPU.h Target/Common/OnInterrupt.h Target/Common/OutputFolder.h Target/Source/SourcePrinter.h)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES lib/${header} DESTINATION include/fp8c/${folder})
endforeach()
foreach(conversion FP8ToUpstream TrainToExec)
  install(FILES ${PROJECT_BINARY_DIR}/lib/Conversion/${conversion}/Passes.h.inc
    DESTINATION include/fp8c/Conversion/${conversion})
endforeach()

set(package lib/cmake/fp8c)
foreach(part Passes Compiler)
  install(EXPORT fp8c${part} NAMESPACE fp8c:: FILE fp8c${part}.cmake DESTINATION ${package})
endforeach()
configure_package_config_file(cmake/fp8cConfig.cmake.in ${PROJECT_BINARY_DIR}/fp8cConfig.cmake
  INSTALL_DESTINATION ${package} NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fp8cConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/fp8cConfig.cmake ${PROJECT_BINARY_DIR}/fp8cConfigVersion.cmake
  DESTINATION ${package})
