# How a test is added. Every test is one process with a time limit.
#
#   ncp_add_test(<name> <source>...
#       LABELS <label>...          one of: unit spec stress soak fault fuzz model
#                                  abi install bench-smoke
#       [TIMEOUT <seconds>]        default 60; scaled up under sanitizers
#       [STATIC_PRIVATE]           link netconnpool::static and see core/src, so
#                                  that ncp__ functions can be called; otherwise
#                                  netconnpool::shared and the public header
#       [STATIC]                   link netconnpool::static, public header only
#       [JSON]                     link netconnpool::json as well
#       [ARGS <argument>...]       command line of the test
#       [LIBRARIES <target>...]    more to link
#       [DEFINITIONS <name>...]    more to define
#       [LINK_OPTIONS <option>...] such as -Wl,--wrap=connect
#       [ENVIRONMENT <N=V>...]
#       [SERIAL]                   run it alone: it measures time or takes all
#                                  cores
#       [PROGRAM_ONLY])            build it, add no ctest test (see
#                                  ncp_add_run)
#
#       builds the program <name> and adds the ctest test of the same name.
#
#   ncp_add_cmocka_test(...)       the same, with cmocka linked
#
#   ncp_add_run(<name> PROGRAM <target> LABELS ... [TIMEOUT] [ARGS] ...)
#       a further ctest test of a program built before, with other arguments
#
#   ncp_add_script_test(<name> COMMAND <program> <argument>... LABELS ...
#       [TIMEOUT] [ENVIRONMENT] [SERIAL])
#       runs a script. Its environment has NCP_SOURCE_DIR (the repository),
#       NCP_BUILD_DIR (the top of the build), NCP_LIBRARY (the shared library),
#       NCP_PYTHON, NCP_CC, NCP_BUILD_TYPE. Use ${NCP_PYTHON} to run Python, not
#       the first python3 of the path.
#
#   ncp_add_pytest(<name> FILE <file> LABELS ... [TIMEOUT] [ARGS] ...)
#       runs a file of pytest, with the fixtures of tests/lib/ncp_fixtures.py;
#       a file whose every test is skipped counts as skipped
#
# Names of tests are sentences or <area>_<what>. A test that cannot run here
# says why and exits with 77: it is then shown as skipped. The label soak is for
# runs that take minutes; only the preset soak runs them. Assertions must not
# compile out: do not use assert() of <assert.h> in release builds.
include_guard(GLOBAL)

if(NCP_SANITIZE MATCHES "thread")
    set(NCP_TIMEOUT_SCALE 8)
elseif(NCP_SANITIZE OR NCP_COVERAGE)
    set(NCP_TIMEOUT_SCALE 4)
else()
    set(NCP_TIMEOUT_SCALE 1)
endif()

set(_ncp_test_flags SERIAL)
set(_ncp_test_one TIMEOUT)
set(_ncp_test_many LABELS ARGS ENVIRONMENT)

# What every kind of test shares, after it was added.
function(_ncp_test_properties name timeout labels environment serial)
    if(NOT timeout)
        set(timeout 60)
    endif()
    if(NOT labels)
        message(FATAL_ERROR "test ${name} has no LABELS")
    endif()
    math(EXPR timeout "${timeout} * ${NCP_TIMEOUT_SCALE}")
    set_tests_properties(${name} PROPERTIES
        TIMEOUT ${timeout} LABELS "${labels}" SKIP_RETURN_CODE 77)
    if(environment)
        set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT
            "${environment}")
    endif()
    if(serial)
        set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
    endif()
endfunction()

function(ncp_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg
        "${_ncp_test_flags};STATIC_PRIVATE;STATIC;JSON;PROGRAM_ONLY"
        "${_ncp_test_one}"
        "${_ncp_test_many};LIBRARIES;DEFINITIONS;LINK_OPTIONS")
    add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
    ncp_flags(${name})
    target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} Threads::Threads)
    if(arg_STATIC_PRIVATE OR arg_STATIC)
        if(arg_JSON)
            target_link_libraries(${name} PRIVATE netconnpool::json_static)
        endif()
        target_link_libraries(${name} PRIVATE netconnpool::static)
    else()
        if(arg_JSON)
            target_link_libraries(${name} PRIVATE netconnpool::json)
        endif()
        target_link_libraries(${name} PRIVATE netconnpool::shared)
    endif()
    if(arg_STATIC_PRIVATE)
        target_include_directories(${name} PRIVATE
            "${netconnpool_SOURCE_DIR}/core/src")
    endif()
    target_compile_definitions(${name} PRIVATE ${arg_DEFINITIONS})
    target_link_options(${name} PRIVATE ${arg_LINK_OPTIONS})
    if(NOT arg_PROGRAM_ONLY)
        add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
        _ncp_test_properties(${name} "${arg_TIMEOUT}" "${arg_LABELS}"
            "${arg_ENVIRONMENT}" "${arg_SERIAL}")
    endif()
endfunction()

function(ncp_add_cmocka_test name)
    if(NOT TARGET PkgConfig::ncp_cmocka)
        find_package(PkgConfig REQUIRED)
        pkg_check_modules(ncp_cmocka REQUIRED IMPORTED_TARGET GLOBAL cmocka)
    endif()
    ncp_add_test(${name} ${ARGN} LIBRARIES PkgConfig::ncp_cmocka)
endfunction()

function(ncp_add_run name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "${_ncp_test_flags}"
        "${_ncp_test_one};PROGRAM" "${_ncp_test_many}")
    add_test(NAME ${name} COMMAND ${arg_PROGRAM} ${arg_ARGS})
    _ncp_test_properties(${name} "${arg_TIMEOUT}" "${arg_LABELS}"
        "${arg_ENVIRONMENT}" "${arg_SERIAL}")
endfunction()

function(ncp_add_script_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "${_ncp_test_flags}"
        "${_ncp_test_one}" "${_ncp_test_many};COMMAND")
    add_test(NAME ${name} COMMAND ${arg_COMMAND} ${arg_ARGS})
    _ncp_test_properties(${name} "${arg_TIMEOUT}" "${arg_LABELS}"
        "${arg_ENVIRONMENT}" "${arg_SERIAL}")
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT
        "NCP_SOURCE_DIR=${netconnpool_SOURCE_DIR}"
        "NCP_BUILD_DIR=${netconnpool_BINARY_DIR}"
        "NCP_LIBRARY=$<TARGET_FILE:netconnpool_shared>"
        "NCP_PYTHON=${NCP_PYTHON}"
        "NCP_CC=${CMAKE_C_COMPILER}"
        "NCP_BUILD_TYPE=${CMAKE_BUILD_TYPE}")
endfunction()

function(ncp_add_pytest name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FILE" "")
    ncp_add_script_test(${name}
        COMMAND "${NCP_PYTHON}" -B -m pytest -q -rs --tb=short -p no:cacheprovider
            -p ncp_fixtures "${arg_FILE}"
        ${arg_UNPARSED_ARGUMENTS})
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT
        "PYTHONPATH=${netconnpool_SOURCE_DIR}/tests/lib")
    if(NCP_HAS_JSON)
        set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT
            "NCP_JSON_LIBRARY=$<TARGET_FILE:netconnpool_json_shared>")
    endif()
endfunction()
