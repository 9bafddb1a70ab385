"""The whole encoder in integers against float on held-out text, beside other quantizers."""
