#include "support/eal.h"

int main(int argc, char** argv) {
  return sluice::test::run_with_eal(argc, argv);
}
