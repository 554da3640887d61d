"""PyTorch and Triton implementations of what the benchmarks measure, verified in float64 and timed beside ours."""
