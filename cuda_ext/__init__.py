"""C++ and CUDA sources of the kernels; :mod:`head3d.kernels.build` compiles and loads them."""
