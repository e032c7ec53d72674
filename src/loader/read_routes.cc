#include "loader/reading.h"

namespace sluice::loader {

void read_learned_routes(Table& root, Reading& reading) {
  auto t = root.table("routes");
  if (!t) return;
  t->boolean("nodes", reading.routes.nodes);
  t->boolean("kernel", reading.routes.kernel);
  if (reading.routes.nodes && !reading.kubernetes)
    t->mistake("nodes", "nodes needs the table [kubernetes]");
  t->finish();
}

}  // namespace sluice::loader
