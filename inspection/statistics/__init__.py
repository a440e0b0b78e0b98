"""Escape, overkill and AUROC with their bounds; thresholds; a candidate paired with its teacher."""
