include "kernel.pxi"
include "starts.pxi"
include "ranking.pxi"
