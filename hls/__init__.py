"""HLS C++ of the four stages: kernels, tops, their builds and their C simulation."""
