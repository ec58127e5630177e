"""The stop flag: a signal handler may raise it at any moment of the wait it interrupts."""

import subprocess
import sys

from arbitrage.runtime.stop_flag import StopFlag

# In a process of its own: a flag that deadlocks must not take the tests with it.
SIGNALLED = """
import signal
from arbitrage.runtime.stop_flag import StopFlag

raised = 0
flag = StopFlag()

def handler(*_):
    global raised
    raised += 1
    flag.set()

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 5e-5, 5e-5)
while raised < 20000:
    flag = StopFlag()
    while not flag.wait(1e-9):
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_a_flag_is_down_until_it_is_set():
    flag = StopFlag()
    assert not flag.is_set()
    assert not flag.wait(0.001)
    flag.set()
    flag.set()
    assert flag.is_set()
    assert flag.wait(0)


def test_handlers_that_interrupt_wait_and_each_other_always_end_it():
    # threading.Event hangs here: its set() wants the lock that the interrupted wait() holds
    subprocess.run([sys.executable, "-c", SIGNALLED], check=True, timeout=60)
