// Which of the mutants in a model is at work: the number in TRANSFAB_MUTANT, 0 for none.
#include <cstdlib>

extern "C" int transfab_selected() {
  const char* text = std::getenv("TRANSFAB_MUTANT");
  return text == nullptr ? 0 : std::atoi(text);
}
