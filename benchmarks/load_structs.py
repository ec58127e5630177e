"""The structs of load_wire.c."""

import ctypes

import numpy as np

__all__ = ["ARRIVAL", "Line", "Relay", "Relays"]


class Line(ctypes.Structure):
    """load_line_t of load_wire.c."""

    _fields_ = (
        ("fd", ctypes.c_int32), ("count", ctypes.c_uint32), ("next", ctypes.c_uint64),
        ("seq", ctypes.c_uint64), ("sent", ctypes.c_uint64), ("late", ctypes.c_uint64),
        ("late_max_ns", ctypes.c_int64), ("pool", ctypes.c_void_p), ("frames", ctypes.c_void_p),
        ("stamps", ctypes.c_void_p),
    )  # fmt: skip


class Relay(ctypes.Structure):
    """load_relay_t of load_wire.c."""

    _fields_ = (
        ("client", ctypes.c_int32), ("venue", ctypes.c_int32),
        ("client_gone", ctypes.c_uint32), ("venue_gone", ctypes.c_uint32),
        ("has_orders", ctypes.c_uint32), ("answer_bytes", ctypes.c_uint32),
        ("answers_left", ctypes.c_uint32), ("answers", ctypes.c_void_p),
    )  # fmt: skip


class Relays(ctypes.Structure):
    """load_relays_t of load_wire.c."""

    _fields_ = (
        ("relays", ctypes.c_void_p), ("relay_count", ctypes.c_uint32),
        ("arrival_capacity", ctypes.c_uint32), ("arrivals", ctypes.c_void_p),
        ("arrival_count", ctypes.c_uint64), ("turns", ctypes.c_uint64),
    )  # fmt: skip


ARRIVAL = np.dtype([("stamp_ns", "i8"), ("relay", "u4"), ("bytes", "u4")])  # load_arrival_t
