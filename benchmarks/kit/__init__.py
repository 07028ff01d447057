"""What the benchmarks share: the machine, the picture sets, arms, measuring, results, drawing."""
