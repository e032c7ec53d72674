#pragma once
// The daemon's answers as tables.

#include <string>

#include <boost/json/value.hpp>

namespace sluicectl {

// Each takes the answer to the command of its name. Throws boost::system::system_error when the
// answer is not what it should be: sluicectl and sluiced are of different versions.
std::string status_table(const boost::json::value& answer);
std::string pods_table(const boost::json::value& answer);
std::string listeners_table(const boost::json::value& answer);
std::string sources_table(const boost::json::value& answer);
std::string certificates_table(const boost::json::value& answer);
std::string guards_table(const boost::json::value& answer);
std::string nic_table(const boost::json::value& answer);
std::string workers_table(const boost::json::value& answer);
std::string stats_table(const boost::json::value& answer);

}  // namespace sluicectl
