# The core as one file, as the Go package compiles it, under the tests of the
# core: every test that needs only the public header is linked a second time.

add_library(netconnpool_amalgam STATIC
    "${netconnpool_SOURCE_DIR}/go/netconnpool_core.c")
target_compile_options(netconnpool_amalgam PRIVATE
    -Wall -Wextra -Werror -pthread -fvisibility=hidden)
target_compile_definitions(netconnpool_amalgam PRIVATE _GNU_SOURCE)
set_target_properties(netconnpool_amalgam PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
target_include_directories(netconnpool_amalgam INTERFACE
    "${netconnpool_SOURCE_DIR}/go")
target_link_libraries(netconnpool_amalgam PUBLIC Threads::Threads)

# Makes amalgam_<program> of the sources of <program>.
function(ncp_add_amalgam_twin program)
    get_target_property(_folder ${program} SOURCE_DIR)
    get_target_property(_sources ${program} SOURCES)
    get_target_property(_libraries ${program} LINK_LIBRARIES)
    get_target_property(_definitions ${program} COMPILE_DEFINITIONS)
    list(TRANSFORM _sources PREPEND "${_folder}/")
    set(_twin amalgam_${program})
    add_executable(${_twin} ${_sources})
    ncp_flags(${_twin})
    target_compile_definitions(${_twin} PRIVATE ${_definitions})
    if("netconnpool::json" IN_LIST _libraries OR
       "netconnpool::json_static" IN_LIST _libraries)
        target_sources(${_twin} PRIVATE
            $<TARGET_OBJECTS:netconnpool_json_objects>)
        target_include_directories(${_twin} PRIVATE
            "${netconnpool_SOURCE_DIR}/core/include")
        list(APPEND _libraries PkgConfig::ncp_jansson)
    endif()
    list(FILTER _libraries EXCLUDE REGEX "^netconnpool::")
    target_link_libraries(${_twin} PRIVATE netconnpool_amalgam ${_libraries})
endfunction()

# Whether a program includes private headers.
function(ncp_is_private program result)
    get_target_property(_include ${program} INCLUDE_DIRECTORIES)
    set(${result} FALSE PARENT_SCOPE)
    if("${netconnpool_SOURCE_DIR}/core/src" IN_LIST _include)
        set(${result} TRUE PARENT_SCOPE)
    endif()
endfunction()

get_property(_programs DIRECTORY "${netconnpool_SOURCE_DIR}/tests/unit"
    PROPERTY BUILDSYSTEM_TARGETS)
list(REMOVE_ITEM _programs config_page) # it compares a page, not the core
foreach(_program ${_programs})
    ncp_is_private(${_program} _private)
    if(NOT _private)
        ncp_add_amalgam_twin(${_program})
        ncp_add_run(amalgam_${_program} PROGRAM amalgam_${_program} LABELS gen)
    endif()
endforeach()

if(TARGET ncp-scenario)
    ncp_add_amalgam_twin(ncp-scenario)
    ncp_add_pytest(amalgam_scenarios LABELS gen TIMEOUT 300
        FILE "${netconnpool_SOURCE_DIR}/tests/runners/test_scenarios.py")
    set_property(TEST amalgam_scenarios APPEND PROPERTY ENVIRONMENT
        "NCP_RUNNERS=c=$<TARGET_FILE:amalgam_ncp-scenario>"
        "NCP_SPEC_SCALE=${NCP_TIMEOUT_SCALE}")
    set_tests_properties(amalgam_scenarios PROPERTIES PROCESSORS 2)
endif()
