%module ncp_probe
%{
#include "netconnpool.h"
%}
%include "stdint.i"
%include "netconnpool.h"
