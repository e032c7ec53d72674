// Precompiled: every test of this executable includes its fixture, whose headers take longer to
// read than a test takes to compile.

#include "tcp/fixture.h"
