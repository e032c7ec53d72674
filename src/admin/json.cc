// Boost.JSON, compiled here once: then only Boost's headers are needed.
#include <boost/json/src.hpp>
