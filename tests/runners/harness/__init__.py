"""Runs the scenarios of tests/spec in every language that has a runner."""
