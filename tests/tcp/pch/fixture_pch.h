#pragma once
// Every test of this executable includes its fixture, whose headers take longer to read than a test
// takes to compile: the compiler reads them once.

#include "tcp/fixture.h"
