# Install rules: libraries, headers, the CMake package and pkg-config files.
# Everything can be moved: no file written here holds the install prefix.

include(CMakePackageConfigHelpers)
set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/netconnpool")

# From the pkg-config files up to the prefix, however deep the libdir is.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(NCP_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
    file(RELATIVE_PATH _up "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        "/prefix")
    string(REGEX REPLACE "/$" "" _up "${_up}")
    set(NCP_PC_PREFIX "\${pcfiledir}/${_up}")
endif()
foreach(_dir LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${_dir}}")
        set(NCP_PC_${_dir} "${CMAKE_INSTALL_${_dir}}")
    else()
        set(NCP_PC_${_dir} "\${prefix}/${CMAKE_INSTALL_${_dir}}")
    endif()
endforeach()

function(ncp_install_library name header export package)
    install(TARGETS ${name}_shared ${name}_static EXPORT ${export}
        RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}"
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    install(FILES "${netconnpool_SOURCE_DIR}/core/include/${header}"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
    install(EXPORT ${export} NAMESPACE netconnpool::
        DESTINATION "${_package}")
    configure_file("${netconnpool_SOURCE_DIR}/core/cmake/${package}.pc.in"
        "${CMAKE_CURRENT_BINARY_DIR}/${package}.pc" @ONLY)
    install(FILES "${CMAKE_CURRENT_BINARY_DIR}/${package}.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()

ncp_install_library(netconnpool netconnpool.h netconnpoolTargets netconnpool)
if(NCP_HAS_JSON)
    ncp_install_library(netconnpool_json netconnpool_json.h
        netconnpoolJsonTargets netconnpool-json)
endif()

configure_package_config_file(
    "${netconnpool_SOURCE_DIR}/core/cmake/netconnpoolConfig.cmake.in"
    "${CMAKE_CURRENT_BINARY_DIR}/netconnpoolConfig.cmake"
    INSTALL_DESTINATION "${_package}"
    NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
    "${CMAKE_CURRENT_BINARY_DIR}/netconnpoolConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES
    "${CMAKE_CURRENT_BINARY_DIR}/netconnpoolConfig.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/netconnpoolConfigVersion.cmake"
    DESTINATION "${_package}")
install(FILES "${netconnpool_SOURCE_DIR}/LICENSE"
    DESTINATION "${CMAKE_INSTALL_DOCDIR}")
