# Compiler cache, linker, warnings and sanitizers: what every target of the tree shares.
find_program(ENGRAM_CCACHE ccache)
if(ENGRAM_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ENGRAM_CCACHE})
endif()
find_program(ENGRAM_LLD ld.lld)
if(ENGRAM_LLD)
  add_link_options(-fuse-ld=lld)
endif()

add_compile_options(-Wall -Wextra -Wnon-virtual-dtor -Woverloaded-virtual -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wthread-safety -Wno-unused-private-field)
else()
  add_compile_options(-Wno-maybe-uninitialized)  # false reports on std::optional in g++ 12
endif()

if(ENGRAM_SANITIZE)
  add_compile_options(-fsanitize=${ENGRAM_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ENGRAM_SANITIZE})
endif()

if(ENGRAM_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage in the code under test
endif()
