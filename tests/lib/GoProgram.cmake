# Programs of Go that use the package of this checkout.
#
#   ncp_go_program(<name> FOLDER <folder> PACKAGE <package> OUT <variable>
#       [ENVIRONMENT <N=V>...])
#
# Builds a package of the module in that folder as the program <name> of this
# build, with the sanitizers of Go where the build has those of C, and sets the
# variable to the command that runs it; to nothing where there is no go, or where
# the coverage of the build's own library is measured. The environment is that of
# `go build`.
include_guard(GLOBAL)

find_program(NCP_GO go)

function(ncp_go_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER;PACKAGE;OUT"
        "ENVIRONMENT")
    set(${arg_OUT} "" PARENT_SCOPE)
    if(NOT NCP_GO OR NCP_COVERAGE OR NCP_FUZZ)
        return()
    endif()
    set(_flags)
    set(_environment)
    if(NCP_SANITIZE MATCHES "thread")
        set(_flags -race)
        set(_environment "env GORACE=atexit_sleep_ms=0 ")
    elseif(NCP_SANITIZE MATCHES "address")
        set(_flags -asan)
    endif()
    set(_program "${CMAKE_CURRENT_BINARY_DIR}/${name}")
    add_custom_target(go_${name} ALL
        COMMAND "${CMAKE_COMMAND}" -E env GOTOOLCHAIN=local CGO_ENABLED=1
            ${arg_ENVIRONMENT} "${NCP_GO}" build ${_flags} -o "${_program}" "${arg_PACKAGE}"
        WORKING_DIRECTORY "${arg_FOLDER}"
        BYPRODUCTS "${_program}"
        VERBATIM)
    set(${arg_OUT} "${_environment}${_program}" PARENT_SCOPE)
endfunction()
