"""Benchmarks: one file a question, each figure beside its floor or a peer of the same run.

``python -m benchmarks`` (``make bench``, ``arb bench``) asks them all. The C beside a question
includes the installed headers, so what is timed is the code that trades.
"""
