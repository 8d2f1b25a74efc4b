# How everything of this project is compiled.
#
#   ncp_flags(target)    C11, GNU sources, threads, warnings
#
# Sanitizers and coverage hold for the whole build, the tests included.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

set(NCP_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wwrite-strings -Wpointer-arith -Wcast-qual -Wvla
    -Wundef -Wformat=2 -Wno-format-nonliteral)
# The library itself is stricter than its tests.
set(NCP_LIBRARY_WARNINGS -Wconversion -Wno-sign-conversion)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND NCP_WARNINGS -Wduplicated-cond)
endif()
if(NCP_WERROR)
    list(APPEND NCP_WARNINGS -Werror)
endif()

if(NCP_SANITIZE)
    add_compile_options(-fsanitize=${NCP_SANITIZE} -fno-omit-frame-pointer
        -fno-optimize-sibling-calls)
    add_link_options(-fsanitize=${NCP_SANITIZE})
    if(NCP_SANITIZE MATCHES "undefined")
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()
if(NCP_COVERAGE)
    # Atomic counters: the pool is used by many threads at once.
    add_compile_options(--coverage -fprofile-update=atomic -fprofile-abs-path)
    add_link_options(--coverage)
endif()

function(ncp_flags target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    target_compile_options(${target} PRIVATE ${NCP_WARNINGS})
endfunction()
