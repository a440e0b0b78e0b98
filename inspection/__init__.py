"""The domain, without torch: errors, the line's budget, data sets, frames, statistics, the synthetic line."""
