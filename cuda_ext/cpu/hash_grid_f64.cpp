// The hash grid in float64. Only gradient checks use it: it is to compile in a fourth of the time, and may run slower.
// flags: -O1
#define HEAD3D_F64
#include "hash_grid.cpp"
