"""Lets pools compete: the orchestrator behind tests/bench/bench.py."""
