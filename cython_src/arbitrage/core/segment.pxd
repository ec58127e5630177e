from arbitrage.core.segment_mapping cimport SegmentMapping


cdef class Segment(SegmentMapping):
    cdef dict views                     # what this object handed out, made once
