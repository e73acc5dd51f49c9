// A library that is no plug-in.
extern "C" __attribute__((visibility("default"))) int answer_of_a_library() {
  return 42;
}
