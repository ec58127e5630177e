"""Threads of the hot path: pinning, naming, and which cores this process may use."""

import os

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <pthread.h>
    #include <sched.h>
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    static int arb_pin_current_thread(int core)
    {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET(core, &cores);
        return pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
    }
    static int arb_name_current_thread(const char *name)
    {
        return prctl(PR_SET_NAME, name, 0, 0, 0);
    }
    static long arb_current_tid(void) { return syscall(SYS_gettid); }
    static int arb_timer_slack_minimal(void) { return prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0); }
    """
    int arb_pin_current_thread(int core) nogil
    int arb_name_current_thread(const char *name) nogil
    long arb_current_tid() nogil
    int arb_timer_slack_minimal() nogil


def available_cores() -> list[int]:
    """Return the cores this process may run on, ascending."""
    # by pid: the main thread is not pinned, the caller may be
    return sorted(os.sched_getaffinity(os.getpid()))


def current_tid() -> int:
    """Return the kernel's id of the calling thread, as ``strace -p`` and ``top -H`` know it."""
    return arb_current_tid()


def pin_current_thread(core: int) -> None:
    """Bind the calling thread to one core.

    Raises
    ------
    OSError
        The core does not exist or this process may not use it.
    """
    cdef int status
    if not 0 <= core < 1024:
        raise OSError(f"core was {core}; cores are numbered from 0 to 1023")
    status = arb_pin_current_thread(core)
    if status != 0:
        raise OSError(status, f"could not pin to core {core}: {os.strerror(status)}; "
                              f"this process may use cores {available_cores()}")


def name_current_thread(name: str) -> None:
    """Name the calling thread for ``top -H``, ``perf`` and ``gdb``; 15 bytes are kept."""
    arb_name_current_thread(name.encode("ascii", "replace")[:15])


def tighten_timer_slack() -> None:
    """Let the calling thread's timed sleeps end within a microsecond of their time, not 50."""
    arb_timer_slack_minimal()
