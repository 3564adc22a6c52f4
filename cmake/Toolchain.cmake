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
  if(ENGRAM_SANITIZE MATCHES "thread")
    # protobuf's headers change the layout of map fields under this macro, but Debian's library was
    # built without it; libstdc++ is told by a macro of its own.
    add_compile_options(-U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1)
  endif()
endif()

if(ENGRAM_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage in the code under test
endif()
