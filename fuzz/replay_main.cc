// Runs a fuzzer's target over the files of its corpus and over all their prefixes of a few lengths.
// For presets without libFuzzer, where it is a test. Fails when the corpus is empty.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  size_t inputs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& file : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream in(file.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
      const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
      for (const size_t cut : {size_t{0}, size_t{1}, size_t{63}, bytes.size() / 2}) {
        if (cut <= bytes.size()) LLVMFuzzerTestOneInput(data, bytes.size() - cut);
      }
      ++inputs;
    }
  }
  std::printf("%zu inputs\n", inputs);
  return inputs > 0 ? 0 : 1;
}
