// The explorations by name: what the suite runs, what is for longer runs, and which finds which
// mutant.
//
// Names and bounds only. Plain values.

#ifndef RASPUTIN_CONSENSUS_MODEL_MODELS_H_
#define RASPUTIN_CONSENSUS_MODEL_MODELS_H_

#include <string>
#include <vector>

#include "consensus/model/explorer.h"

namespace rasputin::consensus::model {

struct NamedModel {
  std::string name;
  ModelOptions options;
};

// Exhausted by the suite, in this order.
std::vector<NamedModel> SuiteModels();

// A fault and the exploration that finds it.
struct NamedFault {
  std::string name;  // Also says what is broken.
  ModelOptions options;
};
std::vector<NamedFault> FaultsFound();

}  // namespace rasputin::consensus::model

#endif  // RASPUTIN_CONSENSUS_MODEL_MODELS_H_
