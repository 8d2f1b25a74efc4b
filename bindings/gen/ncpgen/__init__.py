"""Reads the public header and writes what the bindings are made from."""
