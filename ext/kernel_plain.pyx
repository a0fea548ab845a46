include "kernel.pxi"
include "ranking.pxi"
