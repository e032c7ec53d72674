// Boost.JSON, compiled only here: all other files need only Boost's headers.
#include <boost/json/src.hpp>
