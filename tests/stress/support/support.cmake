# What the stress, fault and fuzz programs share: ncp_test_support, the
# checks, the watchdog, the world in memory and the snapshots.
include_guard(GLOBAL)

add_library(ncp_test_support INTERFACE)
target_sources(ncp_test_support INTERFACE
    "${CMAKE_CURRENT_LIST_DIR}/expect.c"
    "${CMAKE_CURRENT_LIST_DIR}/snapshot.c"
    "${CMAKE_CURRENT_LIST_DIR}/world.c")
target_include_directories(ncp_test_support INTERFACE
    "${CMAKE_CURRENT_LIST_DIR}")
