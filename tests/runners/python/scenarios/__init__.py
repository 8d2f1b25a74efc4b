"""Runs scenarios of tests/spec on the Python package.

One implementation of the steps serves two worlds: threads on `netconnpool.Pool`
(threads.py) and tasks on `netconnpool.AsyncPool` (aio.py). The steps are
coroutines; in the world of threads every await returns without suspending.
"""
