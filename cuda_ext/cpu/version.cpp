// In every CPU library: which ABI it was compiled for.
#include "../abi.h"

int64_t head3d_abi_version() { return HEAD3D_ABI; }
