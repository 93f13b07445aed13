// The signed distance's taps in float64. Only gradient checks use it: it is to compile fast, and may run slower.
// flags: -O0
#define HEAD3D_F64
#include "../sdf_taps.cpp"
