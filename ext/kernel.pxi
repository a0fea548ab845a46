# All of a kernel, compiled once for every instruction set.

include "features.pxi"
include "item_item.pxi"
include "item_item_scores.pxi"
include "label_fold_in.pxi"
include "losses.pxi"
include "newton_fold_in.pxi"
include "padding.pxi"
include "ranking.pxi"
include "sampler.pxi"
include "serving.pxi"
include "starts.pxi"
include "training.pxi"
