"""Development tools: benchmarks, client generation, screenshots and supply-chain checks."""
