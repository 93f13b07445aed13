// The tri-plane in float64. Only gradient checks use it: it is to compile fast, not to run fast.
// flags: -O0
#define HEAD3D_F64
#include "../triplane/triplane.cpp"
