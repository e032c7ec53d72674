#include "loader/reading.h"

namespace sluice::loader {

void read_access_log(Table& root, Reading& reading) {
  auto t = root.table("access_log");
  if (!t) return;
  config::AccessLog& log = reading.snapshot.access_log;
  if (t->string("file", log.file, true) && log.file != config::AccessLog::kStderr)
    log.file = t->document().resolve(log.file).string();
  t->integer("one_in", log.one_in, 0, 1'000'000'000);
  t->boolean("failures", log.failures);
  t->boolean("query", log.query);
  if (log.one_in == 0 && !log.failures)
    t->mistake("one_in", "one_in = 0 and failures = false: nothing would be logged");
  t->finish();
}

}  // namespace sluice::loader
