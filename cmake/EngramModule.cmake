# engram_module(name DEPS a b LINK targets TEST_LINK targets)
#
# One folder of src/engram: a static library engram_<name> of every .cc that is not a test, a
# fuzzer or a main; a link test that loads the library whole with nothing but its declared
# dependencies, so that an undeclared use fails; and one test program <name>_test of its
# *_test.cc files.
include(GoogleTest)

function(engram_module name)
  cmake_parse_arguments(M "" "" "DEPS;LINK;TEST_LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|main)\\.cc$")

  add_library(engram_${name} STATIC ${sources})
  target_include_directories(engram_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  list(TRANSFORM M_DEPS PREPEND engram_)
  target_link_libraries(engram_${name} PUBLIC ${M_DEPS} ${M_LINK} Threads::Threads)

  add_executable(${name}_link_test ${CMAKE_SOURCE_DIR}/cmake/link_test_main.cc)
  target_link_libraries(${name}_link_test PRIVATE
    -Wl,--whole-archive engram_${name} -Wl,--no-whole-archive)
  add_test(NAME link.${name} COMMAND ${name}_link_test)
  set_tests_properties(link.${name} PROPERTIES LABELS "lint")

  if(tests)
    set(test_seconds 600)
    if(ENGRAM_SANITIZE)
      set(test_seconds 1800)  # the thread sanitizer takes ten times as long
    endif()
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE engram_${name} ${M_TEST_LINK} GTest::gmock_main)
    target_compile_definitions(${name}_test PRIVATE ENGRAM_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    gtest_discover_tests(${name}_test TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST
      PROPERTIES LABELS unit TIMEOUT ${test_seconds})
  endif()
endfunction()
